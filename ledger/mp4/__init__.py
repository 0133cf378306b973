"""Reading MP4 (ISO/IEC 14496-12, H.264 in 14496-15) without decoding a picture.

What happens here: boxes, sample tables, fragments and the few H.264 headers are read from bytes, bounded, into frozen
values. The camera side judges a user's file with it before any native code sees it; the receiving side judges a
segment with it before storing it.
What may never happen here: I/O, a native decoder, an allocation sized by a number in the file that the file's own
length does not back.
"""
