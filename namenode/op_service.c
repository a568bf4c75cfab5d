/* Requests that concern the running namenode rather than the namespace: journal, images, tokens of an insecure cluster, user mappings. */
#include "common/log.h"
#include "namenode/edit_read.h"
#include "namenode/handlers.h"
#include "namenode/namenode.h"
#include "namenode/safemode.h"
#include "proto/ha.pb-c.h"
#include "proto/server.pb-c.h"

/* ---- journal and images ---- */

int op_save_namespace(struct core *core, struct op *op, const Pb__SaveNamespaceRequest *request,
                      Pb__SaveNamespaceResponse *response, struct err *err)
{
    struct namenode *nn = namenode_of(core);
    int64_t window_ms =
        request->has_timewindow ? (int64_t)MIN(request->timewindow, UINT32_MAX) * SECOND_MS : 0;
    bool saved;
    int rc = op_check_superuser(core, op, "saveNamespace", err);

    if (rc) return rc;
    if (!safemode_is_on(core))
        return err_set(err, ERR_IO,
                       "Safe mode should be turned ON in order to create namespace image.");
    rc = checkpoint_save_now(nn->checkpoint, window_ms, request->has_txgap ? request->txgap : 0,
                             &saved, err);
    if (rc) return rc;
    response->has_saved = 1;
    response->saved = saved;
    return 0;
}

int op_roll_edits(struct core *core, struct op *op, const Pb__RollEditsRequest *request UNUSED,
                  Pb__RollEditsResponse *response, struct err *err)
{
    int rc = op_check_superuser(core, op, "rollEdits", err);

    if (!rc) rc = op_check_not_safemode(core, "Log not rolled", err);
    if (rc) return rc;
    response->newsegmenttxid = checkpoint_roll_edits(namenode_of(core)->checkpoint);
    return 0;
}

static Pb__StorageInfo *storage_info(struct core *core, struct arena *arena)
{
    Pb__StorageInfo *info = arena_alloc(arena, sizeof *info);

    pb__storage_info__init(info);
    info->layoutversion = (uint32_t)core->identity.layout_version;
    info->namespceid = core->identity.namespace_id;
    info->clusterid = core->identity.cluster_id;
    info->ctime = core->identity.ctime;
    return info;
}

int op_roll_edit_log(struct core *core, struct op *op, const Pb__RollEditLogRequest *request UNUSED,
                     Pb__RollEditLogResponse *response, struct err *err)
{
    struct namenode *nn = namenode_of(core);
    int rc = op_check_superuser(core, op, "rollEditLog", err);

    if (!rc) rc = op_check_not_safemode(core, "Log not rolled", err);
    if (rc) return rc;
    Pb__CheckpointSignature *signature = arena_alloc(op->arena, sizeof *signature);
    pb__checkpoint_signature__init(signature);
    signature->cursegmenttxid = checkpoint_roll_edits(nn->checkpoint);
    signature->mostrecentcheckpointtxid = checkpoint_last_txid(nn->checkpoint);
    signature->blockpoolid = core->identity.block_pool_id;
    signature->storageinfo = storage_info(core, op->arena);
    response->signature = signature;
    return 0;
}

int op_get_transaction_id(struct core *core, struct op *op,
                          const Pb__GetTransactionIdRequest *request UNUSED,
                          Pb__GetTransactionIdResponse *response, struct err *err)
{
    int rc = op_check_superuser(core, op, "getTransactionID", err);

    if (rc) return rc;
    response->txid = core->txid_applied;
    return 0;
}

int op_get_current_edit_log_txid(struct core *core, struct op *op,
                                 const Pb__GetCurrentEditLogTxidRequest *request UNUSED,
                                 Pb__GetCurrentEditLogTxidResponse *response, struct err *err)
{
    int rc = op_check_superuser(core, op, "getCurrentEditLogTxid", err);

    if (rc) return rc;
    response->txid = (int64_t)core->txid_applied;
    return 0;
}

int op_get_most_recent_checkpoint_tx_id(
    struct core *core, struct op *op, const Pb__GetMostRecentCheckpointTxIdRequest *request UNUSED,
    Pb__GetMostRecentCheckpointTxIdResponse *response, struct err *err)
{
    int rc = op_check_superuser(core, op, "getMostRecentCheckpointTxId", err);

    if (rc) return rc;
    response->txid = checkpoint_last_txid(namenode_of(core)->checkpoint);
    return 0;
}

int op_get_edit_log_manifest(struct core *core, struct op *op,
                             const Pb__GetEditLogManifestRequest *request,
                             Pb__GetEditLogManifestResponse *response, struct err *err)
{
    struct namenode *nn = namenode_of(core);
    struct edit_segments segments = {0};
    int rc = op_check_superuser(core, op, "getEditLogManifest", err);

    if (!rc) rc = edit_segments_find(nn->storage, request->sincetxid, &segments, err);
    if (rc) return rc;
    Pb__RemoteEditLogManifest *manifest = arena_alloc(op->arena, sizeof *manifest);
    pb__remote_edit_log_manifest__init(manifest);
    manifest->logs = ARENA_ARRAY(op->arena, Pb__RemoteEditLog *, MAX(segments.count, (size_t)1));
    uint64_t next = 0;
    for (size_t i = 0; i < segments.count; i++) {
        const struct edit_segment *segment = &segments.items[i];
        if (segment->in_progress || segment->last < request->sincetxid || segment->first < next)
            continue;
        Pb__RemoteEditLog *log = arena_alloc(op->arena, sizeof *log);
        pb__remote_edit_log__init(log);
        log->starttxid = segment->first;
        log->endtxid = segment->last;
        manifest->logs[manifest->n_logs++] = log;
        next = segment->last + 1;
    }
    manifest->has_committedtxnid = 1;
    manifest->committedtxnid = edit_log_synced_txid(nn->journal);
    response->manifest = manifest;
    edit_segments_release(&segments);
    return 0;
}

/* ---- what an insecure cluster answers ---- */

/* No token: security is off. All of YARN depends on this empty answer. */
int op_get_delegation_token(struct core *core UNUSED, struct op *op UNUSED,
                            const Pb__GetDelegationTokenRequest *request UNUSED,
                            Pb__GetDelegationTokenResponse *response UNUSED, struct err *err UNUSED)
{
    return 0;
}

/* No key: data transfer is not encrypted. */
int op_get_data_encryption_key(struct core *core UNUSED, struct op *op UNUSED,
                               const Pb__GetDataEncryptionKeyRequest *request UNUSED,
                               Pb__GetDataEncryptionKeyResponse *response UNUSED,
                               struct err *err UNUSED)
{
    return 0;
}

int op_msync(struct core *core UNUSED, struct op *op UNUSED, const Pb__MsyncRequest *request UNUSED,
             Pb__MsyncResponse *response UNUSED, struct err *err UNUSED)
{
    return 0;
}

int op_get_haservice_state(struct core *core UNUSED, struct op *op UNUSED,
                           const Pb__GetHAServiceStateRequest *request UNUSED,
                           Pb__GetHAServiceStateResponse *response, struct err *err UNUSED)
{
    response->state = PB__HASERVICE_STATE__ACTIVE;
    return 0;
}

/* Without a key provider there are no encryption zones: an empty list, which `-expunge` asks for. */
int op_list_encryption_zones(struct core *core, struct op *op,
                             const Pb__ListEncryptionZonesRequest *request UNUSED,
                             Pb__ListEncryptionZonesResponse *response, struct err *err)
{
    response->hasmore = 0;
    return op_check_superuser(core, op, "listEncryptionZones", err);
}

int op_get_ezfor_path(struct core *core, struct op *op, const Pb__GetEZForPathRequest *request,
                      Pb__GetEZForPathResponse *response UNUSED, struct err *err)
{
    struct resolved path;

    return resolve_path(&core->tree, request->src, op->arena, &path, err);
}

/* ---- user mappings ---- */

/* On a worker: the look-up may ask a directory service. */
int op_get_groups_for_user(struct core *core, struct op *op,
                           const Pb__GetGroupsForUserRequest *request,
                           Pb__GetGroupsForUserResponse *response, struct err *err UNUSED)
{
    const char *const *groups = namenode_groups_of(namenode_of(core), request->user, op->arena);

    while (groups[response->n_groups]) response->n_groups++;
    response->groups = (char **)groups;
    return 0;
}

int op_refresh_user_to_groups_mappings(struct core *core, struct op *op,
                                       const Pb__RefreshUserToGroupsMappingsRequest *request UNUSED,
                                       Pb__RefreshUserToGroupsMappingsResponse *response UNUSED,
                                       struct err *err)
{
    int rc = op_check_superuser(core, op, "refreshUserToGroupsMappings", err);

    if (rc) return rc;
    user_groups_refresh(namenode_of(core)->groups);
    log_info("the groups of all users will be looked up anew, asked for by %s", op->user);
    return 0;
}

/* Proxy user rules, service ACLs and call queues are not configurable: there is nothing to read anew. */
int op_refresh_super_user_groups_configuration(
    struct core *core, struct op *op,
    const Pb__RefreshSuperUserGroupsConfigurationRequest *request UNUSED,
    Pb__RefreshSuperUserGroupsConfigurationResponse *response UNUSED, struct err *err)
{
    return op_check_superuser(core, op, "refreshSuperUserGroupsConfiguration", err);
}

int op_refresh_service_acl(struct core *core UNUSED, struct op *op UNUSED,
                           const Pb__RefreshServiceAclRequest *request UNUSED,
                           Pb__RefreshServiceAclResponse *response UNUSED, struct err *err)
{
    return err_set(err, ERR_AUTHORIZATION, "Service Level Authorization not enabled!");
}

int op_refresh_call_queue(struct core *core, struct op *op,
                          const Pb__RefreshCallQueueRequest *request UNUSED,
                          Pb__RefreshCallQueueResponse *response UNUSED, struct err *err)
{
    return op_check_superuser(core, op, "refreshCallQueue", err);
}
