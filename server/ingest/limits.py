"""Every limit on what comes in, in one place. Sizes are bytes, texts are characters, times ms."""

BODY_BYTES = 500_000  # a batch as sent
INFLATED_BYTES = 1_000_000  # a gzipped batch, unpacked
EVENT_BYTES = 32_000
BATCH_EVENTS = 1_000
URL = 2_048
TITLE = 300
NAME = 200  # track names, form keys, property keys
STRING = 8_000  # one property
PROPERTIES = 1_000  # keys and items of one event, at every depth together
DEPTH = 32
HEADER_ORIGIN = 300
FORM_START_FIELDS = 50
ENGAGED_MS = 86_400_000  # one page view never counts more than a day
Q = 2_147_483_647
LATEST_MS = 4_102_444_800_000  # the year 2100: a clock beyond it is no clock
LATE_MS = 7 * 86_400_000
BODY_SECONDS = 30  # a whole request body must be here by then
