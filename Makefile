# Tusk: HDFS without the JVM. The README says what the targets are for.
#
#   make                  programs and libraries in build/
#   make demo             a running cluster on this machine, files put in, read back and compared
#   make check            unit tests and cluster scenarios; SAN=address,undefined or SAN=thread for sanitizers
#   make kill-soak        200 rounds of daemons killed under load; ROUNDS=n, SEED=n
#   make sim               a simulated cluster's two hours; SEED=n, MINUTES=n (virtual), V=v to see all; make check-sim, make sim-soak MINUTES=n: many
#   make check-interop    the same cluster met by stock Java and Go clients
#   make bench            ours and Apache Hadoop side by side, in a table; QUICK=1 to see whether it runs
#   make random-soak     random changes on Apache's namenode and ours, equal trees; SEED=n, OPS=n
#   make back-and-forth-soak  the same directories under Apache's daemons and ours in turn, ten times
#   make lint             formatting, clang-tidy, cppcheck, shellcheck, layers
#   make docs             docs/config.md from common/conf.def
#   make install          PREFIX=/usr/local DESTDIR=
#   make deps             installs what is missing with apt

.DEFAULT_GOAL := all
VERSION       := 0.1.0
PREFIX        ?= /usr/local
CC            ?= cc
CFLAGS        ?= $(if $(SAN),-O1 -g1,-O2 -g)
comma         := ,
B             := build$(if $(SAN),-$(subst $(comma),-,$(SAN)))$(if $(filter clang%,$(CC)),-clang)

DEFS     := -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wmissing-prototypes -Wvla -Wshadow -Wstrict-prototypes \
            -fvisibility=hidden -fPIC -I. -I$B -DTUSK_VERSION='"$(VERSION)"' \
            $(if $(WERROR),-Werror) $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)
HARDEN   := -fstack-protector-strong -D_FORTIFY_SOURCE=2
LDLIBS   := -levent -levent_pthreads -lprotobuf-c -lisal -lz -lexpat -ljson-c -lroaring -lcrypto -lpthread -lm
LDFLAGS  += $(if $(SAN),-fsanitize=$(SAN)) -Wl,-z,relro,-z,now

# Who may include whom: proto -> common -> namenode | datanode | client -> fuse (make lint checks it).
PROTO     := $(sort $(wildcard proto/*.proto))
COMMON    := $(sort $(wildcard common/*.c))
NAMENODE  := $(sort $(wildcard namenode/*.c))
DATANODE  := $(sort $(wildcard datanode/*.c))
CLIENT    := $(sort $(wildcard client/*.c))
SHELL_SRC := $(sort $(wildcard client/shell/*.c))
TESTLIB   := $(sort $(wildcard tests/lib/*.c))
UNIT_SRC  := $(sort $(wildcard tests/unit/*_test.c))
BENCHLIB  := $(sort $(wildcard benchmarks/lib/*.c))
BENCH_SRC := $(sort $(wildcard benchmarks/*.c))
SCENARIOS := $(sort $(wildcard tests/scenario/[0-9]*.sh))
INTEROP   := $(sort $(wildcard tests/interop/[0-9]*.sh))

PROTO_C  := $(PROTO:%.proto=$B/%.pb-c.c)
PROTO_H  := $(PROTO:%.proto=$B/%.pb-c.h)
PROTO_O  := $(PROTO:%.proto=$B/%.pb-c.o)
objects   = $(patsubst %.c,$B/%.o,$(1))

LIB_O    := $(PROTO_O) $(call objects,$(COMMON) $(CLIENT))
HDFS_O   := $(LIB_O) $(call objects,$(NAMENODE) $(DATANODE) $(SHELL_SRC))
TEST_LIB := $(call objects,$(TESTLIB))
BENCH_LIB := $(call objects,$(BENCHLIB))
UNIT     := $(UNIT_SRC:tests/unit/%.c=$B/tests/unit/%)
LIVE     := $(patsubst tests/live/%.c,$B/tests/live/%,$(sort $(wildcard tests/live/*.c)))
PRELOAD  := $(patsubst tests/preload/%.c,$B/tests/preload/%.so,$(sort $(wildcard tests/preload/*.c)))
BENCH    := $(BENCH_SRC:benchmarks/%.c=$B/benchmarks/%)

.PHONY: all
all: $B/bin/hdfs $B/bin/dfs $B/lib/libhdfs.so $B/lib/libhdfs.a $(BENCH) $(LIVE) $(PRELOAD)

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
$B/tests/live/%: $B/tests/live/%.o $(LIB_O)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
# What tests put below a daemon.
$B/tests/preload/%.so: $B/tests/preload/%.o
	$(CC) -shared -o $@ $< -ldl
# The simulation: its clock, chance and journal's files are put in place of the real ones.
SIM_O    := $(call objects,$(sort $(wildcard tests/sim/*.c)))
SIM_WRAP := $(patsubst %,-Wl$(comma)--wrap=%,clock_wall_ms clock_mono_ms clock_mono_ns rand_seed_system rand_bytes uuid_text \
            hash_process_seed file_pwrite_full file_sync)
$B/tests/sim/sim: $(SIM_O) $B/tests/lib/name_dir.o $(PROTO_O) $(call objects,$(COMMON) $(filter-out namenode/main.c,$(NAMENODE)))
	$(CC) $(LDFLAGS) $(SIM_WRAP) -o $@ $^ -lcmocka $(LDLIBS)
$B/benchmarks/nn_memory: $(call objects,$(filter-out namenode/main.c,$(NAMENODE)))
$B/benchmarks/%: $B/benchmarks/%.o $(BENCH_LIB) $(LIB_O)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# ---- what the README promises ----

DEB_BUILD := gcc make pkg-config protobuf-c-compiler libprotobuf-c-dev libevent-dev libisal-dev zlib1g-dev libexpat1-dev libjson-c-dev \
             libssl-dev libroaring-dev uthash-dev libxxhash-dev
DEB_TEST  := libcmocka-dev bc procps
DEB_LINT  := clang clang-format clang-tidy cppcheck shellcheck mandoc libclang-rt-14-dev
# Of the peers' tools any that is there will do, wherever it came from.
DEB_PEERS := curl python3 python3-venv $(if $(shell command -v javac),,default-jdk-headless) $(if $(shell command -v mvn),,maven) $(if $(shell command -v go),,golang-go)

# Installs what is missing, and says so; nothing to do costs a fraction of a second. Needs root or sudo.
install_debs = @missing=$$(dpkg-query -W -f '$${Package} $${db:Status-Status}\n' $(1) 2>/dev/null | awk '$$2 == "installed" {print $$1}' | sort > /tmp/.tusk-debs.$$$$; \
    printf '%s\n' $(1) | sort | comm -23 - /tmp/.tusk-debs.$$$$ | tr '\n' ' '; rm -f /tmp/.tusk-debs.$$$$); \
    if [ -n "$$missing" ]; then \
        echo "installing with apt: $$missing"; \
        sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
        $$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing > /dev/null; \
    fi

.PHONY: bench deps deps-lint deps-interop demo check check-unit check-scenario check-interop check-sim sim sim-soak kill-soak random-soak round-trip-soak back-and-forth-soak lint format install
deps:
	$(call install_debs,$(DEB_BUILD) $(DEB_TEST))
deps-lint: deps
	$(call install_debs,$(DEB_LINT))
deps-interop: deps
	$(call install_debs,$(DEB_PEERS))

demo: deps
	@$(MAKE) --no-print-directory -j2 all
	@BUILD=$B bash tests/demo.sh

# Sanitized programs are slow: a smaller tree, fewer rounds of killing.
RUN = BUILD=$B $(if $(SAN),SAN=$(SAN) ROUNDS=$${ROUNDS:-3} TREE_FILES=$${TREE_FILES:-500}) tests/run

check: deps
	@$(MAKE) --no-print-directory -j2 all $(UNIT)
	@$(RUN) $(UNIT) $(SCENARIOS)
check-unit: deps
	@$(MAKE) --no-print-directory -j2 $(UNIT)
	@$(RUN) $(UNIT)
# Seeds that found something, and some others; the soak: others for as long as it lasts.
check-sim: $B/tests/sim/sim
	@BUILD=$B tests/run tests/sim/run.sh
sim: $B/tests/sim/sim
	@$B/tests/sim/sim $${SEED:-1} $${MINUTES:-120} $(V)
sim-soak: $B/tests/sim/sim
	@TEST_TIMEOUT=864000 SEED=$${SEED:-$$(date +%s)} COUNT=1000000000 SECONDS_MAX=$$(($${MINUTES:-10} * 60)) BUILD=$B tests/run tests/sim/run.sh
check-scenario: all
	@$(RUN) $(SCENARIOS)
kill-soak: all
	@ROUNDS=$${ROUNDS:-200} TEST_TIMEOUT=7200 BUILD=$B tests/run tests/scenario/30_kill9.sh
check-interop: deps-interop
	@$(MAKE) --no-print-directory -j2 all
	@JOBS=1 TEST_TIMEOUT=1200 BUILD=$B tests/run $(INTEROP)
random-soak: deps-interop all
	@SEED=$${SEED:-$$(date +%s)} JOBS=1 TEST_TIMEOUT=5400 OPS=$${OPS:-20000} BUILD=$B tests/run tests/interop/31_random_ops.sh

round-trip-soak: deps-interop all
	@JOBS=1 TEST_TIMEOUT=5400 BUILD=$B tests/run tests/interop/soak_round_trip.sh

bench: deps-interop
	@$(MAKE) --no-print-directory -j2 all
	@BUILD=$B bash benchmarks/compare.sh

back-and-forth-soak: deps-interop all
	@JOBS=1 ROUNDS=$${ROUNDS:-10} TEST_TIMEOUT=5400 BUILD=$B tests/run tests/interop/43_back_and_forth.sh

lint: deps-lint
	@bash tests/lint.sh
format:
	clang-format -i $(wildcard */*.[ch] client/shell/*.[ch] tests/*/*.[ch] benchmarks/lib/*.[ch])

.PHONY: docs
docs:
	docs/config.sh > docs/config.md.new && mv docs/config.md.new docs/config.md

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include \
		$(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man3
	install -m 755 $B/bin/hdfs $(DESTDIR)$(PREFIX)/bin/hdfs
	ln -sf hdfs $(DESTDIR)$(PREFIX)/bin/dfs
	install -m 755 $B/lib/libhdfs.so $(DESTDIR)$(PREFIX)/lib/libhdfs.so.0.0.0
	ln -sf libhdfs.so.0.0.0 $(DESTDIR)$(PREFIX)/lib/libhdfs.so
	install -m 644 $B/lib/libhdfs.a $(DESTDIR)$(PREFIX)/lib/libhdfs.a
	install -m 644 client/hdfs.h $(DESTDIR)$(PREFIX)/include/hdfs.h
	sed 's|@PREFIX@|$(PREFIX)|g; s|@VERSION@|$(VERSION)|g' client/libhdfs.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/libhdfs.pc
	install -m 644 docs/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	ln -sf dfs.1 $(DESTDIR)$(PREFIX)/share/man/man1/hdfs-dfs.1
	install -m 644 docs/man/*.3 $(DESTDIR)$(PREFIX)/share/man/man3/

.PHONY: clean
clean:
	rm -rf build build-*

.SECONDARY:
-include $(shell find $B -name '*.d' 2>/dev/null)
