"""What secures what: the chains' facts folded into loans, receipts, reservations, messages and anchors."""
