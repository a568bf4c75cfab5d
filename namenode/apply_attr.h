/*
 * What edit_apply() does for the records of ACLs and extended attributes, and with those that a new
 * file or directory brings along (OP_SET_ACL, OP_SET_XATTR, OP_REMOVE_XATTR of FSEditLogLoader).
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_APPLY_ATTR_H
#define NAMENODE_APPLY_ATTR_H

#include "namenode/core.h"

int apply_set_acl(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_set_xattr(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_remove_xattr(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;

/* ACL and attributes of a record that made `inode`. */
int apply_new_attributes(struct core *core, const struct edit *edit, struct inode *inode,
                         struct err *err) MUST_CHECK;
/* What an attribute of the record needs and this version lacks; NULL. */
const char *apply_missing_attribute(const struct edit *edit);

#endif
