"""How much one EPCIS document may hold. Every bound is here, named, with its unit."""

MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
MAX_DOCUMENT_DEPTH = 64  # arrays and objects inside one another
MAX_VALUES = 500_000  # members and elements in a document, at any depth
MAX_EVENTS = 10_000  # per document
MAX_IDENTIFIERS = 10_000  # per list of one event
MAX_SENSOR_REPORTS = 10_000  # per sensor element
MAX_LIST_ENTRIES = 1_000  # any other list of an event
MAX_TEXT_CHARACTERS = 4_096  # any one string, names included
MAX_PREFIXES = 64  # names one context declares
