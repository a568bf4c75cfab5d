# Tusk: HDFS without the JVM. The README says what the targets are for.
#
#   make                  programs and libraries in build/
#   make demo             a running cluster on this machine, files put in, read back and compared
#   make check            unit tests and cluster scenarios; SAN=address,undefined or SAN=thread for sanitizers
#   make check-interop    the same cluster met by stock Java and Go clients
#   make lint             formatting, clang-tidy, cppcheck, shellcheck, layers
#   make install          PREFIX=/usr/local DESTDIR=
#   make deps             installs what is missing with apt

.DEFAULT_GOAL := all
VERSION       := 0.1.0
PREFIX        ?= /usr/local
CC            ?= cc
CFLAGS        ?= -O2 -g
comma         := ,
B             := build$(if $(SAN),-$(subst $(comma),-,$(SAN)))$(if $(filter clang%,$(CC)),-clang)

PACKAGES := libevent libevent_pthreads libprotobuf-c libisal zlib expat libxxhash
DEFS     := -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wmissing-prototypes -Wvla -Wshadow -Wstrict-prototypes \
            -fvisibility=hidden -fPIC -I. -I$B -DTUSK_VERSION='"$(VERSION)"' \
            $(if $(WERROR),-Werror) $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)
HARDEN   := -fstack-protector-strong -D_FORTIFY_SOURCE=2
LDLIBS   := -levent -levent_pthreads -lprotobuf-c -lisal -lz -lexpat -lroaring -lcrypto -lpthread -lm
LDFLAGS  += $(if $(SAN),-fsanitize=$(SAN)) -Wl,-z,relro,-z,now

include sources.mk

PROTO_C  := $(PROTO:%.proto=$B/%.pb-c.c)
PROTO_H  := $(PROTO:%.proto=$B/%.pb-c.h)
PROTO_O  := $(PROTO:%.proto=$B/%.pb-c.o)
objects   = $(patsubst %.c,$B/%.o,$(1))

LIB_O    := $(PROTO_O) $(call objects,$(COMMON) $(CLIENT))
HDFS_O   := $(LIB_O) $(call objects,$(NAMENODE) $(DATANODE) $(SHELL_SRC))
TEST_LIB := $(call objects,$(TESTLIB))
UNIT     := $(UNIT_SRC:tests/unit/%.c=$B/tests/unit/%)
BENCH    := $(BENCH_SRC:benchmarks/%.c=$B/benchmarks/%)

.PHONY: all
all: $B/bin/hdfs $B/bin/dfs $B/lib/libhdfs.so $B/lib/libhdfs.a $(BENCH)

$B/%.pb-c.c $B/%.pb-c.h: %.proto
	@mkdir -p $(@D)
	@cd $(dir .) && protoc-c -I. --c_out=$B $<
$B/%.pb-c.o: $B/%.pb-c.c | $(PROTO_H)
	$(CC) $(DEFS) $(CFLAGS) -MMD -MP -c -o $@ $<
$B/%.o: %.c | $(PROTO_H)
	@mkdir -p $(@D)
	$(CC) $(DEFS) $(HARDEN) $(CFLAGS) -MMD -MP -c -o $@ $<

$B/bin/hdfs: $(HDFS_O)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$B/bin/dfs: $B/bin/hdfs
	@ln -sf hdfs $@
$B/lib/libhdfs.so: $(LIB_O) client/libhdfs.map
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -shared -Wl,-soname,libhdfs.so.0.0.0 -Wl,--version-script=client/libhdfs.map -o $@ $(LIB_O) $(LDLIBS)
$B/lib/libhdfs.a: $(LIB_O)
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^

# A unit test links the library objects and the daemons' objects without their mains.
$B/tests/unit/%: $B/tests/unit/%.o $(TEST_LIB) $(HDFS_O)
	$(CC) $(LDFLAGS) -o $@ $< $(TEST_LIB) $(filter-out %/client/shell/hdfs.o,$(HDFS_O)) -lcmocka $(LDLIBS)
$B/benchmarks/%: $B/benchmarks/%.o $(HDFS_O)
	$(CC) $(LDFLAGS) -o $@ $< $(filter-out %/client/shell/hdfs.o,$(HDFS_O)) $(LDLIBS)

.PHONY: clean
clean:
	rm -rf build build-*

.SECONDARY:
-include $(shell find $B -name '*.d' 2>/dev/null)
