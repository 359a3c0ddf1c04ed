libbulkhead_a_SOURCES += \
  lib/base/arena.h lib/base/base.c lib/base/base.h lib/base/bytes.c lib/base/bytes.h \
  lib/base/clock.h lib/base/lock.c lib/base/lock.h lib/base/trace.c lib/base/trace.h
libbulkhead_a_SOURCES += lib/base/md5.c lib/base/md5.h
