/*
 * Which datanodes may come and which are to leave: dfs.hosts and dfs.hosts.exclude (HostFileManager). Lines hold host names or addresses, with or
 * without ":port"; '#' starts a comment. An empty include list lets everybody in.
 * With CombinedHostFileManager dfs.hosts is a JSON file that says both, and which nodes are in maintenance until when (hosts_json.h); one without
 * any node in service lets everybody in.
 *
 * Loading reads files and resolves names: any thread but the core's, where that can be avoided. Asking: core thread; pure.
 */
#ifndef NAMENODE_HOSTS_H
#define NAMENODE_HOSTS_H

#include "common/err.h"

struct conf;
struct hosts;
struct datanode;
struct core;

/* As dfs.namenode.hosts.provider.classname, dfs.hosts and dfs.hosts.exclude say; without files: no lists. ERR_* when a file that is named cannot
 * be read, or says what is none. */
int hosts_load(struct hosts **out, const struct conf *conf, struct err *err) MUST_CHECK;
void hosts_free(struct hosts *hosts); /* NULL is fine */

/* For tests and the loader: one list's text. */
struct hosts *hosts_new(void);
int hosts_add_text(struct hosts *hosts, bool exclude, const char *text, size_t length,
                   struct err *err) MUST_CHECK;

int hosts_add_json(struct hosts *hosts, const char *text, size_t length,
                   struct err *err) MUST_CHECK;

bool hosts_is_included(const struct hosts *hosts, const char *ip, const char *hostname,
                       uint16_t port); /* NULL hosts: true */
bool hosts_is_excluded(const struct hosts *hosts, const char *ip, const char *hostname,
                       uint16_t port);
/* Names on the include list that no datanode has: for reports of dead nodes. Calls `fn` for each. */
void hosts_each_included(const struct hosts *hosts,
                         void (*fn)(const char *name, uint16_t port, void *arg), void *arg);

/* refreshNodes: takes the new lists (owning them) and starts or stops decommissioning accordingly. */
void hosts_apply(struct core *core, struct hosts *hosts);
/* What the lists say of one node that registers now. */
void hosts_apply_node(struct core *core, struct datanode *datanode);

#endif
