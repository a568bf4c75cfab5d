/*
 * Who we are, and the groups that users are in.
 *
 * Groups come from hadoop.user.group.static.mapping.overrides, else from the system (which may ask
 * the network: it blocks), and are remembered for hadoop.security.groups.cache.secs. Any thread.
 */
#ifndef COMMON_USER_H
#define COMMON_USER_H

#include "common/base.h"
#include "common/conf.h"
#include "common/err.h"

/* $HADOOP_USER_NAME, else the name of the process's user, else its number. For mem_free(). */
char *user_current(void);
char *user_of_system(void); /* without the environment: Java's user.name */

struct user_groups;

enum { USER_GROUPS_MAX = 1024, USER_GROUPS_CACHE_MAX = 10000 };

/* ERR_CONFIG when the overrides cannot be understood. */
int user_groups_new(const struct conf *conf, struct user_groups **groups,
                    struct err *err) MUST_CHECK;
void user_groups_free(struct user_groups *groups); /* NULL is fine */

/* The user's groups, the primary one first; NULL-terminated, for user_groups_list_free(). Empty for
 * a user that the system does not know. */
char **user_groups_get(struct user_groups *groups, const char *user);
/* The same from memory alone, without blocking; NULL when the system would have to be asked. */
char **user_groups_remembered(struct user_groups *groups, const char *user);
void user_groups_list_free(char **list); /* NULL is fine */
bool user_in_group(struct user_groups *groups, const char *user, const char *group);
/* Forgets what is remembered (dfsadmin -refreshUserToGroupsMappings). */
void user_groups_refresh(struct user_groups *groups);

#endif
