/*
 * Safe mode: after a start the namespace does not change until the blocks are there, and replicas are neither copied nor deleted
 * (BlockManagerSafeMode, and FSNamesystem's manual one). It ends as soon as the threshold is reached and every registered storage has
 * reported; only an explicit dfs.namenode.safemode.extension makes it wait on. Copying what seems to lack replicas begins
 * REDUNDANCY_QUIET_MS after that, so that datanodes that come back a little later find their replicas wanted.
 *
 *   PENDING --threshold met--> (EXTENSION --time is over-->) OFF          manual: any time, by an operator
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_SAFEMODE_H
#define NAMENODE_SAFEMODE_H

#include "namenode/core.h"

enum { REDUNDANCY_QUIET_MS = 30000 };

struct safemode *safemode_new(void);
void safemode_free(struct safemode *safemode);

/* The namespace is loaded: safe mode begins, unless there is nothing to wait for. */
void safemode_start(struct core *core);
/* Something has changed: is it time? Cheap when safe mode is off. */
void safemode_check(struct core *core);

bool safemode_is_on(const struct core *core);
bool safemode_is_startup(
    const struct core *core); /* on, and neither by an operator nor for lack of space */
bool safemode_is_quiet(
    const struct core *core); /* off for so short a time that copying has not begun */

void safemode_enter(struct core *core, bool low_resources);
/* False when it stays on, as leaving would delete data of a newer namespace (without `force`). */
bool safemode_leave(struct core *core, bool force);
/* The journal's disks have room again. */
void safemode_resources_back(struct core *core);

/* "The reported blocks 12 needs additional 3 blocks to reach the threshold …": what dfsadmin, the status page and errors say. */
const char *safemode_tip(const struct core *core, struct arena *arena);
/* Fills ERR_SAFE_MODE with Apache's words: "Cannot create file/x. Name node is in safe mode.\n… NamenodeHostName:host". */
int safemode_refuse(const struct core *core, const char *what, struct err *err);

#endif
