/*
 * Leases: which client may write which open file (LeaseManager). A client holds one lease for all
 * its files; a file has at most one holder. Soft limit: others may take the file; hard limit: the
 * namenode recovers it by itself.
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_LEASE_H
#define NAMENODE_LEASE_H

#include "common/base.h"

#define LEASE_SOFT_LIMIT_MS INT64_C(60000)

struct lease_table;
struct inode;

struct lease_table *lease_table_new(void);
void lease_table_free(struct lease_table *table);

/* `file` is now written by `client`, from `machine` (host text). Replaces an earlier holder. */
void lease_add(struct lease_table *table, uint64_t file_id, const char *client, const char *machine,
               int64_t now_ms);
void lease_remove(struct lease_table *table, uint64_t file_id); /* no-op when there is none */
const char *lease_holder(const struct lease_table *table,
                         uint64_t file_id); /* NULL when not leased */
const char *lease_machine(const struct lease_table *table,
                          uint64_t file_id); /* client machine of the open file */
bool lease_renew(struct lease_table *table, const char *client,
                 int64_t now_ms); /* false: unknown client */
void lease_renew_all(struct lease_table *table,
                     int64_t now_ms); /* start of service: nobody is late yet */
/* The file gets another holder, whose lease counts as renewed now. */
void lease_reassign(struct lease_table *table, uint64_t file_id, const char *new_client,
                    int64_t now_ms);
bool lease_soft_expired(const struct lease_table *table, const char *client, int64_t now_ms);

uint64_t lease_count(const struct lease_table *table);      /* clients */
uint64_t lease_file_count(const struct lease_table *table); /* open files */
/* Oldest client past the hard limit; NULL when none. */
const char *lease_next_expired(const struct lease_table *table, int64_t hard_limit_ms,
                               int64_t now_ms);
/* File ids of one client, or of all (client NULL), with an id greater than `after`, ascending, up
 * to `max`; answers how many. */
size_t lease_files(const struct lease_table *table, const char *client, uint64_t after,
                   uint64_t *ids, size_t max);

#endif
