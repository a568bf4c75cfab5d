/*
 * Access control lists of inodes (AclStorage, AclFeature, AclTransformation, AclEntryStatusFormat).
 *
 * Two forms. The *logical* ACL is what users see: sorted entries, the owner's, the group's, the
 * mask and others included; at least three. The *stored* one is what the mode of the inode does not
 * say already: of the access scope the named entries and the group's, of the default scope all. A
 * stored ACL is never changed, shared by all inodes with the same entries, and counted: whoever
 * keeps one for later (a snapshot) holds it.
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_ACL_H
#define NAMENODE_ACL_H

#include "common/err.h"
#include "common/mem.h"
#include "namenode/inode.h"
#include "proto/fsimage.pb-c.h"

enum acl_scope { ACL_ACCESS = 0, ACL_DEFAULT = 1 }; /* as on the wire and on disk, here and below */
enum acl_type { ACL_USER = 0, ACL_GROUP = 1, ACL_MASK = 2, ACL_OTHER = 3 };

enum {
    ACL_MINIMAL = 3,                    /* entries of a logical ACL that the mode says all of */
    ACL_SCOPE_MAX = 32,                 /* entries of one scope */
    ACL_ENTRIES_MAX = 2 * ACL_SCOPE_MAX /* of a stored ACL; a logical one has no more */
};

struct acl_entry {
    const char *name; /* NULL: the owner's, the group's, the mask, others */
    uint8_t scope;    /* enum acl_scope */
    uint8_t type;     /* enum acl_type */
    uint8_t permission;
};

/* A list in somebody's hands; names belong to others. */
struct acl_list {
    struct acl_entry entries[2 * ACL_ENTRIES_MAX + 8];
    size_t count;
};

/* ---- stored ---- */

/* Where equal ACLs meet. Freeing it frees what is still held. */
struct acl_pool *acl_pool_new(void);
void acl_pool_free(struct acl_pool *pool); /* NULL is passed over */

/* The ACL of these entries with one hold; ends by acl_drop(). NULL for none. Entries keep their
 * order; `count` is at most ACL_ENTRIES_MAX. */
struct acl *acl_new(struct acl_pool *pool, const struct acl_entry *entries, size_t count);
struct acl *acl_hold(struct acl *acl);
void acl_drop(struct acl *acl); /* NULL is passed over */
/* Appends the entries to `out` (which has room); names live as long as the ACL. NULL has none. */
void acl_read(const struct acl *acl, struct acl_list *out);
size_t acl_count(const struct acl *acl);
bool acl_has_scope(const struct acl *acl, enum acl_scope scope);

/* ---- of an inode ---- */

/* AclStorage.readINodeLogicalAcl. Names live as long as the inode's ACL. */
void acl_logical(const struct inode_table *table, const struct inode *inode, struct acl_list *out);
/* AclStorage.updateINodeAcl, unprotectedSetAcl: mode and stored ACL become what the logical ACL
 * says; an empty list removes it, and the mode takes the group's entry back from the mask.
 * ERR_ACL: the list is impossible for the inode. */
int acl_update(struct inode_table *table, struct inode *inode, const struct acl_list *logical,
               struct err *err) MUST_CHECK;
/* What a new child of `parent` with this mode gets (AclStorage.copyINodeDefaultAcl): true and the
 * logical ACL in *out when the parent has a default ACL. Names live as long as the parent's. */
bool acl_inherit(const struct inode_table *table, const struct inode *parent, bool child_is_dir,
                 uint16_t child_mode, struct acl_list *out);

/* The mode that goes with a logical ACL; the sticky bit is `mode`'s. */
uint16_t acl_mode(const struct acl_list *logical, uint16_t mode);

/* ---- messages ---- */

/* Lists of the wire and of the edit log. ERR_ACL with Apache's text when there are too many entries
 * of a scope, ERR_ARGUMENT for numbers that mean nothing. */
int acl_from_message(Pb__AclEntry *const *entries, size_t count, struct acl_list *out,
                     struct err *err) MUST_CHECK;
Pb__AclEntry **acl_to_message(const struct acl_list *list, struct arena *arena);
/* What an edit carries; NULL for an empty list. */
Pb__AclEditLog *acl_to_edit(const struct acl_list *list, struct arena *arena);

/* ---- changes (AclTransformation): `existing` is logical; ERR_ACL with Apache's texts ---- */

int acl_merge(const struct acl_list *existing, const struct acl_list *spec, struct acl_list *out,
              struct err *err) MUST_CHECK;
int acl_remove_entries(const struct acl_list *existing, const struct acl_list *spec,
                       struct acl_list *out, struct err *err) MUST_CHECK;
int acl_remove_default(const struct acl_list *existing, struct acl_list *out,
                       struct err *err) MUST_CHECK;
int acl_replace(const struct acl_list *existing, const struct acl_list *spec, struct acl_list *out,
                struct err *err) MUST_CHECK;

#endif
