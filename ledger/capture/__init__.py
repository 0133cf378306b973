"""The device side: a recording becomes signed, chained evidence and is handed over until someone holds it.

What happens here: `segments` cuts a recording without re-encoding it, `camera` signs and spools, `uplink` sends,
`scene` draws a recording where there is no camera.
What may never happen here: re-encoding, a sequence number used for two contents, evidence dropped because nobody
answered.
"""
