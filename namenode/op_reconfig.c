/* ReconfigurationProtocol: settings that change while the namenode runs. All on the core thread, whose settings they are. */
#include "common/reconfig.h"
#include "namenode/handlers.h"
#include "namenode/namenode.h"

static const enum conf_id reconfigurable[] = {
    CONF_dfs_heartbeat_interval,
    CONF_dfs_namenode_heartbeat_recheck_interval,
    CONF_fs_protected_directories,
    CONF_dfs_namenode_replication_max_streams,
    CONF_dfs_namenode_replication_max_streams_hard_limit,
    CONF_dfs_namenode_replication_work_multiplier_per_iteration,
    CONF_dfs_block_invalidate_limit,
    CONF_dfs_namenode_reconstruction_pending_timeout_sec,
};

static void protect(struct namenode *nn, const char *directories)
{
    mem_free(nn->protected_directories);
    nn->protected_directories = mem_strdup(directories);
    nn->core.conf.protected_directories = nn->protected_directories;
}

static int reconfigure(void *context, enum conf_id id, const struct conf *fresh, struct err *err)
{
    struct namenode *nn = context;
    struct core_conf *now = &nn->core.conf, next = {0};
    int rc = core_conf_load(&next, fresh, err);

    if (rc) return rc;
    switch ((int)id) {
    case CONF_dfs_heartbeat_interval:
        now->heartbeat_interval_ms = next.heartbeat_interval_ms;
        now->stale_interval_ms = next.stale_interval_ms;
        break;
    case CONF_dfs_namenode_heartbeat_recheck_interval:
        now->heartbeat_recheck_ms = next.heartbeat_recheck_ms;
        break;
    case CONF_fs_protected_directories: protect(nn, next.protected_directories); break;
    case CONF_dfs_namenode_replication_max_streams:
        now->replication_max_streams = next.replication_max_streams;
        break;
    case CONF_dfs_namenode_replication_max_streams_hard_limit:
        now->replication_max_streams_hard = next.replication_max_streams_hard;
        break;
    case CONF_dfs_namenode_replication_work_multiplier_per_iteration:
        now->replication_work_multiplier = next.replication_work_multiplier;
        break;
    case CONF_dfs_block_invalidate_limit: now->invalidate_limit = next.invalidate_limit; break;
    case CONF_dfs_namenode_reconstruction_pending_timeout_sec:
        now->pending_timeout_ms = next.pending_timeout_ms;
        break;
    default: return err_set(err, ERR_CONFIG, "it cannot be changed while the namenode runs");
    }
    return 0;
}

struct reconfig *nn_reconfig_new(struct namenode *nn)
{
    return reconfig_new(nn->conf, reconfigurable, ARRAY_LEN(reconfigurable), reconfigure, nn);
}

int op_start_reconfiguration(struct core *core, struct op *op,
                             const Pb__StartReconfigurationRequest *request UNUSED,
                             Pb__StartReconfigurationResponse *response UNUSED, struct err *err)
{
    int rc = op_check_superuser(core, op, "startNamenodeReconfiguration", err);

    return rc ? rc : reconfig_run(namenode_of(core)->reconfig, err);
}

int op_get_reconfiguration_status(struct core *core, struct op *op,
                                  const Pb__GetReconfigurationStatusRequest *request UNUSED,
                                  Pb__GetReconfigurationStatusResponse *response, struct err *err)
{
    int rc = op_check_superuser(core, op, "getNamenodeReconfigurationStatus", err);

    if (!rc) reconfig_status(namenode_of(core)->reconfig, response, op->arena);
    return rc;
}

int op_list_reconfigurable_properties(struct core *core, struct op *op,
                                      const Pb__ListReconfigurablePropertiesRequest *request UNUSED,
                                      Pb__ListReconfigurablePropertiesResponse *response,
                                      struct err *err)
{
    int rc = op_check_superuser(core, op, "listNamenodeReconfigurableProperties", err);

    if (!rc) reconfig_properties(namenode_of(core)->reconfig, response, op->arena);
    return rc;
}
