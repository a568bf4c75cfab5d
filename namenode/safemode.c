#include "namenode/safemode.h"

#include "common/buf.h"
#include "common/log.h"
#include "namenode/block_manager.h"
#include "namenode/op.h"
#include "namenode/redundancy.h"
#include "namenode/topology.h"

enum { STATUS_INTERVAL_MS = 20000 };

enum safemode_state {
    SAFEMODE_PENDING,   /* waits for blocks or datanodes */
    SAFEMODE_EXTENSION, /* they are there; waits a little longer because the operator wants it */
    SAFEMODE_OFF,
};

struct safemode {
    enum safemode_state state;
    bool manual, low_resources;
    int64_t started_ms, reached_ms, left_ms, next_status_ms;
};

struct safemode *safemode_new(void)
{
    struct safemode *safemode = NEW(struct safemode);

    safemode->state = SAFEMODE_OFF;
    safemode->left_ms = INT64_MIN / 2;
    return safemode;
}

void safemode_free(struct safemode *safemode)
{
    mem_free(safemode);
}

static uint64_t threshold_of(const struct core *core)
{
    return (uint64_t)((double)core->manager->complete_count * core->conf.safemode_threshold);
}

static bool is_threshold_met(const struct core *core)
{
    if (core->manager->safe_count < threshold_of(core)) return false;
    return dn_live_count(core) >= core->conf.safemode_min_datanodes;
}

/* A node that registered and has not said yet what it has. */
static bool is_report_awaited(const struct core *core)
{
    uint32_t nodes = topology_node_count(core->datanodes.topology);

    for (uint32_t i = 0; i < nodes; i++) {
        const struct datanode *node = topology_node(core->datanodes.topology, i);
        const struct storage *storage;
        if (LIST_EMPTY(&node->storages)) return true;
        LIST_FOREACH (storage, &node->storages, of_datanode)
            if (storage->stale && !storage->failed) return true;
    }
    return false;
}

static void report_status(struct core *core, const char *what, bool now)
{
    struct arena arena = {0};

    if (!now && core->now_ms < core->safemode->next_status_ms) return;
    core->safemode->next_status_ms = core->now_ms + STATUS_INTERVAL_MS;
    log_info("STATE* %s %s", what, safemode_tip(core, &arena));
    arena_release(&arena);
}

static void turn_off(struct core *core)
{
    struct safemode *safemode = core->safemode;

    safemode->state = SAFEMODE_OFF;
    safemode->left_ms = core->now_ms;
    if (!core->manager->populating) redundancy_scan_start(core);
    log_info("STATE* Leaving safe mode after %" PRId64 " secs",
             (core->now_ms - safemode->started_ms) / SECOND_MS);
    log_info("STATE* Network topology has %u racks and %u datanodes",
             topology_rack_count(core->datanodes.topology),
             topology_node_count(core->datanodes.topology));
}

void safemode_start(struct core *core)
{
    struct safemode *safemode = core->safemode;

    safemode->started_ms = core->now_ms;
    safemode->state = SAFEMODE_PENDING;
    if (is_threshold_met(core) && core->manager->complete_count == 0) {
        turn_off(core);
        safemode->left_ms = INT64_MIN / 2; /* nothing to be quiet about */
        return;
    }
    report_status(core, "Safe mode ON.", true);
}

void safemode_check(struct core *core)
{
    struct safemode *safemode = core->safemode;

    if (safemode->state == SAFEMODE_OFF) return;
    if (safemode->state == SAFEMODE_PENDING) {
        if (!is_threshold_met(core) || core->manager->future_bytes) {
            report_status(core, "Safe mode ON.", false);
            return;
        }
        if (core->conf.safemode_extension_ms > 0 && core->manager->complete_count) {
            safemode->state = SAFEMODE_EXTENSION;
            safemode->reached_ms = core->now_ms;
            report_status(core, "Safe mode extension entered.", true);
        } else if (!is_report_awaited(core)) {
            turn_off(core);
        }
        return;
    }
    if (core->now_ms - safemode->reached_ms < core->conf.safemode_extension_ms) return;
    if (is_threshold_met(core) && !core->manager->future_bytes)
        turn_off(core);
    else
        safemode->state = SAFEMODE_PENDING;
}

bool safemode_is_on(const struct core *core)
{
    const struct safemode *safemode = core->safemode;

    return safemode &&
           (safemode->state != SAFEMODE_OFF || safemode->manual || safemode->low_resources);
}

bool safemode_is_startup(const struct core *core)
{
    const struct safemode *safemode = core->safemode;

    return safemode && safemode->state != SAFEMODE_OFF && !safemode->manual &&
           !safemode->low_resources;
}

bool safemode_is_quiet(const struct core *core)
{
    return core->now_ms - core->safemode->left_ms < REDUNDANCY_QUIET_MS;
}

void safemode_enter(struct core *core, bool low_resources)
{
    core->safemode->manual = !low_resources;
    core->safemode->low_resources = low_resources;
    report_status(core, "Safe mode is ON.", true);
}

bool safemode_leave(struct core *core, bool force)
{
    if (!safemode_is_on(core)) {
        log_info("STATE* Safe mode is already OFF");
        return true;
    }
    if (core->manager->future_bytes && !force) {
        log_error("Refusing to leave safe mode without a force flag. Exiting safe mode will cause "
                  "a deletion of %" PRIu64 " byte(s). Please use -forceExit flag to exit safe mode "
                  "forcefully if data loss is acceptable.",
                  core->manager->future_bytes);
        return false;
    }
    if (core->manager->future_bytes)
        log_warn("Leaving safe mode due to forceExit. This will cause a data loss of %" PRIu64
                 " byte(s).",
                 core->manager->future_bytes);
    core->manager->future_bytes = 0;
    core->safemode->manual = core->safemode->low_resources = false;
    log_info("STATE* Safe mode is OFF");
    if (core->safemode->state != SAFEMODE_OFF) turn_off(core);
    return true;
}

void safemode_resources_back(struct core *core)
{
    if (!core->safemode->low_resources) return;
    log_info("Namenode has sufficient available resources, exiting safe mode.");
    core->safemode->low_resources = false;
}

static void tell_blocks(const struct core *core, struct buf *text)
{
    uint64_t safe = core->manager->safe_count, wanted = threshold_of(core),
             total = core->manager->complete_count;
    double threshold = core->conf.safemode_threshold;

    if (safe < wanted)
        buf_printf(text,
                   "The reported blocks %" PRIu64 " needs additional %" PRIu64
                   " blocks to reach the threshold %.4f of total blocks %" PRIu64 ".\n",
                   safe, wanted - safe, threshold, total);
    else
        buf_printf(text,
                   "The reported blocks %" PRIu64
                   " has reached the threshold %.4f of total blocks %" PRIu64 ". ",
                   safe, threshold, total);
}

static void tell_datanodes(const struct core *core, struct buf *text)
{
    uint32_t wanted = core->conf.safemode_min_datanodes, live = dn_live_count(core);

    if (!wanted)
        buf_put_str(text, "The minimum number of live datanodes is not required. ");
    else if (core->manager->safe_count < threshold_of(core))
        buf_put_str(text, "The number of live datanodes is not calculated since reported blocks "
                          "hasn't reached the threshold. ");
    else if (live < wanted)
        buf_printf(text,
                   "The number of live datanodes %u needs an additional %u live datanodes to reach "
                   "the minimum number %u.\n",
                   live, wanted - live, wanted);
    else
        buf_printf(text, "The number of live datanodes %u has reached the minimum number %u. ",
                   live, wanted);
}

static void tell_end(const struct core *core, struct buf *text)
{
    const struct safemode *safemode = core->safemode;

    if (core->manager->future_bytes) {
        buf_printf(text,
                   "Name node detected blocks with generation stamps in future. This means that "
                   "Name node metadata is inconsistent. This can happen "
                   "if Name node metadata files have been manually replaced. Exiting safe mode "
                   "will cause loss of %" PRIu64
                   " byte(s). Please restart name node with right metadata or use \"hdfs dfsadmin "
                   "-safemode forceExit\" if you are certain that the "
                   "NameNode was started with the correct FsImage and edit logs. If you "
                   "encountered this during a rollback, it is safe to exit with "
                   "-safemode forceExit.",
                   core->manager->future_bytes);
        return;
    }
    if (safemode->state == SAFEMODE_EXTENSION) {
        int64_t left_ms = safemode->reached_ms + core->conf.safemode_extension_ms - core->now_ms;
        buf_printf(text,
                   "In safe mode extension. Safe mode will be turned off automatically in %" PRId64
                   " seconds.",
                   left_ms / SECOND_MS);
    } else if (safemode->state == SAFEMODE_PENDING) {
        buf_put_str(
            text,
            "Safe mode will be turned off automatically once the thresholds have been reached.");
    } else {
        buf_put_str(text, "Safe mode will be turned off automatically soon.");
    }
}

const char *safemode_tip(const struct core *core, struct arena *arena)
{
    struct buf text = {0};
    const char *answer;

    if (core->safemode->low_resources)
        return "Resources are low on NN. Please add or free up more resources. NOTE:  If you turn "
               "off safe mode before adding resources, the NN will "
               "immediately return to safe mode. ";
    if (core->safemode->manual)
        return "It was turned on manually. Use \"hdfs dfsadmin -safemode leave\" to turn safe mode "
               "off.";
    tell_blocks(core, &text);
    tell_datanodes(core, &text);
    tell_end(core, &text);
    answer = arena_strdup(arena, buf_cstr(&text));
    buf_release(&text);
    return answer;
}

int safemode_refuse(const struct core *core, const char *what, struct err *err)
{
    struct arena arena = {0};
    int rc = err_set(err, ERR_SAFE_MODE, "%s. Name node is in safe mode.\n%s NamenodeHostName:%s",
                     what, safemode_tip(core, &arena),
                     core->conf.host_name ? core->conf.host_name : "localhost");

    arena_release(&arena);
    return rc;
}

int op_check_not_safemode(struct core *core, const char *what, struct err *err)
{
    return safemode_is_on(core) ? safemode_refuse(core, what, err) : 0;
}
