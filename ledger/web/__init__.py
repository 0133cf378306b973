"""The pages: what a consumer sees behind a code, and the loan officer's portal. Rendered here, no script needed.

Chinese and English. May never happen here: a lender, an amount or a person on a public page; text from outside that a
browser could take for markup; a step left out because it is unproven.
"""
