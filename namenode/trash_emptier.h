/*
 * Empties the users' trash (TrashPolicyDefault.Emptier): at each full checkpoint interval /user/<name>/.Trash/Current becomes a
 * checkpoint named by the time, and checkpoints older than fs.trash.interval are deleted. All by renames and deletions like
 * those of the superuser's calls; some users at each tick.
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_TRASH_EMPTIER_H
#define NAMENODE_TRASH_EMPTIER_H

#include "namenode/core.h"

struct trash_emptier;
struct trash_emptier *trash_emptier_new(void);
void trash_emptier_free(struct trash_emptier *emptier);

/* To be called now and then, out of safe mode. False when there is nothing more to do before the next interval. */
bool trash_emptier_tick(struct trash_emptier *emptier, struct core *core);

/* The time that a checkpoint's name says, in milliseconds; -1: it is none. With ten digits it is one of Hadoop's first versions. */
int64_t trash_checkpoint_ms(const char *name);

#endif
