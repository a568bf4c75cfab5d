/* Access control lists as text and on the wire (AclEntry, AclUtil). One thread. */
#ifndef CLIENT_SHELL_ACL_H
#define CLIENT_SHELL_ACL_H

#include "client/shell/item.h"
#include "proto/acl.pb-c.h"

/* Entries live in the caller's arena. */
struct acl {
    Pb__AclEntry **entries;
    size_t count;
};

/* "user:bob:rw-,default:group::r--"; without permissions for `-x`. SHELL_ILLEGAL. */
int acl_parse(const char *spec, bool with_permission, struct arena *arena, struct acl *acl,
              struct err *err) MUST_CHECK;
/* Those that a file may have, too: a view into a new array. */
struct acl acl_access_only(const struct acl *acl, struct arena *arena);

/* What the namenode stores beyond the mode bits; empty without the flag. */
int acl_stored(const struct item *item, struct arena *arena, struct acl *acl,
               struct err *err) MUST_CHECK;
/* Stored entries with those that the mode implies (AclUtil.getAclFromPermAndEntries). */
struct acl acl_full(uint32_t mode, const struct acl *stored, struct arena *arena);
void acl_print_entry(const Pb__AclEntry *entry);

enum acl_change { ACL_MODIFY, ACL_REMOVE_ENTRIES, ACL_REMOVE_DEFAULT, ACL_REMOVE, ACL_SET };
/* `acl` NULL for the two that take none. */
int acl_change(const struct item *item, enum acl_change change, const struct acl *acl,
               struct err *err) MUST_CHECK;
/* Gives the target the source's list. */
int acl_copy(const struct item *src, const struct item *target, struct err *err) MUST_CHECK;

#endif
