/*
 * What edit_apply() does for the records of files and their blocks (the cases of FSEditLogLoader.applyEditLogOp). Live and in replay the same, but for what
 * only a running cluster has: replicas, recoveries under way.
 */
#ifndef NAMENODE_APPLY_FILE_H
#define NAMENODE_APPLY_FILE_H

#include "namenode/edit.h"

int apply_add(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_close(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_add_block(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_update_blocks(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_append(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_truncate(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_reassign_lease(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_generation_stamp_v1(struct core *core, const struct edit *edit,
                              struct err *err) MUST_CHECK;
int apply_generation_stamp(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_allocate_block_id(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;

#endif
