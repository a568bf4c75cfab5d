/*
 * The one mutator: live, in replay and on a standby every change goes through here
 * (FSEditLogLoader.applyEditLogOp). What this version does not build is refused by name: passing
 * over a record would lose what an Apache namenode promised.
 */
#include "namenode/apply_attr.h"
#include "namenode/apply_file.h"
#include "namenode/apply_tree.h"
#include "namenode/cache_pool.h"
#include "namenode/ec_policy.h"
#include "namenode/edit_codec.h"
#include "namenode/token_store.h"

typedef int apply_fn(struct core *core, const struct edit *edit, struct err *err);

/* Marks of the log itself. */
static int apply_nothing(struct core *core, const struct edit *edit, struct err *err)
{
    (void)core, (void)edit, (void)err;
    return 0;
}

/* FSNamesystem.startRollingUpgradeInternal, finalizeRollingUpgradeInternal: a finalization without a start comes after a checkpoint
 * that did not know of it any more. */
static int apply_rolling_upgrade(struct core *core, const struct edit *edit, struct err *err UNUSED)
{
    core->rolling_upgrade_start_ms = edit->op == EDIT_ROLLING_UPGRADE_START ? edit->mtime_ms : 0;
    return 0;
}

static const struct apply_row {
    apply_fn *fn;
    const char *feature; /* that is missing, where fn is NULL */
} ROWS[] = {
    [EDIT_ADD] = {.fn = apply_add},
    [EDIT_RENAME_OLD] = {.fn = apply_rename_old},
    [EDIT_DELETE] = {.fn = apply_delete},
    [EDIT_MKDIR] = {.fn = apply_mkdir},
    [EDIT_SET_REPLICATION] = {.fn = apply_set_replication},
    [EDIT_SET_PERMISSIONS] = {.fn = apply_set_permissions},
    [EDIT_SET_OWNER] = {.fn = apply_set_owner},
    [EDIT_CLOSE] = {.fn = apply_close},
    [EDIT_SET_GENSTAMP_V1] = {.fn = apply_generation_stamp_v1},
    [EDIT_SET_NS_QUOTA] = {.fn = apply_set_quota},
    [EDIT_CLEAR_NS_QUOTA] = {.fn = apply_set_quota},
    [EDIT_TIMES] = {.fn = apply_times},
    [EDIT_SET_QUOTA] = {.fn = apply_set_quota},
    [EDIT_RENAME] = {.fn = apply_rename},
    [EDIT_CONCAT_DELETE] = {.fn = apply_concat},
    [EDIT_SYMLINK] = {.fn = apply_symlink},
    [EDIT_GET_DELEGATION_TOKEN] = {.fn = apply_get_token},
    [EDIT_RENEW_DELEGATION_TOKEN] = {.fn = apply_renew_token},
    [EDIT_CANCEL_DELEGATION_TOKEN] = {.fn = apply_cancel_token},
    [EDIT_UPDATE_MASTER_KEY] = {.fn = apply_master_key},
    [EDIT_REASSIGN_LEASE] = {.fn = apply_reassign_lease},
    [EDIT_END_LOG_SEGMENT] = {.fn = apply_nothing},
    [EDIT_START_LOG_SEGMENT] = {.fn = apply_nothing},
    [EDIT_UPDATE_BLOCKS] = {.fn = apply_update_blocks},
    [EDIT_CREATE_SNAPSHOT] = {.fn = apply_create_snapshot},
    [EDIT_DELETE_SNAPSHOT] = {.fn = apply_delete_snapshot},
    [EDIT_RENAME_SNAPSHOT] = {.fn = apply_rename_snapshot},
    [EDIT_ALLOW_SNAPSHOT] = {.fn = apply_allow_snapshot},
    [EDIT_DISALLOW_SNAPSHOT] = {.fn = apply_disallow_snapshot},
    [EDIT_SET_GENSTAMP_V2] = {.fn = apply_generation_stamp},
    [EDIT_ALLOCATE_BLOCK_ID] = {.fn = apply_allocate_block_id},
    [EDIT_ADD_BLOCK] = {.fn = apply_add_block},
    [EDIT_ADD_CACHE_DIRECTIVE] = {.fn = apply_add_cache_directive},
    [EDIT_REMOVE_CACHE_DIRECTIVE] = {.fn = apply_remove_cache_directive},
    [EDIT_ADD_CACHE_POOL] = {.fn = apply_add_cache_pool},
    [EDIT_MODIFY_CACHE_POOL] = {.fn = apply_modify_cache_pool},
    [EDIT_REMOVE_CACHE_POOL] = {.fn = apply_remove_cache_pool},
    [EDIT_MODIFY_CACHE_DIRECTIVE] = {.fn = apply_modify_cache_directive},
    [EDIT_SET_ACL] = {.fn = apply_set_acl},
    [EDIT_ROLLING_UPGRADE_START] = {.fn = apply_rolling_upgrade},
    [EDIT_ROLLING_UPGRADE_FINALIZE] = {.fn = apply_rolling_upgrade},
    [EDIT_SET_XATTR] = {.fn = apply_set_xattr},
    [EDIT_REMOVE_XATTR] = {.fn = apply_remove_xattr},
    [EDIT_SET_STORAGE_POLICY] = {.fn = apply_set_storage_policy},
    [EDIT_TRUNCATE] = {.fn = apply_truncate},
    [EDIT_APPEND] = {.fn = apply_append},
    [EDIT_SET_QUOTA_BY_STORAGETYPE] = {.fn = apply_set_quota_by_type},
    [EDIT_ADD_EC_POLICY] = {.fn = apply_add_ec_policy},
    [EDIT_ENABLE_EC_POLICY] = {.fn = apply_enable_ec_policy},
    [EDIT_DISABLE_EC_POLICY] = {.fn = apply_disable_ec_policy},
    [EDIT_REMOVE_EC_POLICY] = {.fn = apply_remove_ec_policy},
};

/* What the record needs and this version lacks; NULL when nothing. */
static const char *missing_feature(const struct edit *edit)
{
    if (edit->op >= ARRAY_LEN(ROWS)) return "this opcode";
    if (!ROWS[edit->op].fn) return ROWS[edit->op].feature ? ROWS[edit->op].feature : "this opcode";
    if (edit->op != EDIT_REMOVE_XATTR && apply_missing_attribute(edit))
        return apply_missing_attribute(edit);
    return NULL;
}

int edit_apply(struct core *core, const struct edit *edit, struct err *err)
{
    const char *missing = missing_feature(edit);

    if (missing)
        return err_set(err, ERR_UNSUPPORTED,
                       "edit %" PRIu64
                       " (%s%s%s) needs %s, which this version does not have. It stops "
                       "here rather than lose the change: let the Apache namenode take it back, "
                       "checkpoint, and start here again",
                       edit->txid, edit_op_name(edit->op), edit->path ? " " : "",
                       edit->path ? edit->path : "", missing);
    return ROWS[edit->op].fn(core, edit, err);
}
