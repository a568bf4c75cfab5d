#include "common/user.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uthash.h>

#include "common/clock.h"
#include "common/mem.h"

enum {
    PASSWD_SPACE_MAX = 1 << 20,
    UNKNOWN_USER_MS = 30000
}; /* hadoop.security.groups.negative-cache.secs */

char *user_of_system(void)
{
    struct passwd pw, *found = NULL;
    char space[4096];

    getpwuid_r(getuid(), &pw, space, sizeof space, &found);
    return found ? mem_strdup(found->pw_name) : mem_printf("%u", (unsigned)getuid());
}

char *user_current(void)
{
    const char *name = getenv("HADOOP_USER_NAME");
    return str_empty(name) ? user_of_system() : mem_strdup(name);
}

struct user_entry {
    UT_hash_handle hh;
    char *user;
    char **list;
    int64_t until_ms; /* monotonic */
};

struct user_groups {
    pthread_mutex_t lock; /* guards cache; `fixed` never changes */
    struct user_entry *fixed;
    struct user_entry *cache;
    int64_t cache_ms;
};

void user_groups_list_free(char **list)
{
    conf_list_free(list);
}

static char **list_copy(char **list)
{
    size_t count = 0;

    while (list[count]) count++;
    char **copy = NEW_ARRAY(char *, count + 1);
    for (size_t i = 0; i < count; i++) copy[i] = mem_strdup(list[i]);
    return copy;
}

static struct user_entry *entry_new(const char *user, char **list, int64_t until_ms)
{
    struct user_entry *entry = NEW(struct user_entry);

    entry->user = mem_strdup(user);
    entry->list = list;
    entry->until_ms = until_ms;
    return entry;
}

static void table_remove(struct user_entry **table, struct user_entry *entry)
{
    HASH_DEL(*table, entry);
    mem_free(entry->user);
    user_groups_list_free(entry->list);
    mem_free(entry);
}

static void table_clear(struct user_entry **table)
{
    struct user_entry *entry = NULL, *next = NULL;

    HASH_ITER (hh, *table, entry, next) {
        table_remove(table, entry);
    }
}

static void table_put(struct user_entry **table, struct user_entry *entry)
{
    struct user_entry *old;

    HASH_FIND_STR(*table, entry->user, old);
    if (old) table_remove(table, old);
    HASH_ADD_KEYPTR(hh, *table, entry->user, strlen(entry->user), entry);
}

static char **split(char *text, const char *separators)
{
    size_t count = 0, capacity = 1;
    char **list = NEW_ARRAY(char *, 1), *word;

    while ((word = strsep(&text, separators)) != NULL) {
        word += strspn(word, " \t\n");
        size_t length = strlen(word);
        while (length && strchr(" \t\n", word[length - 1])) length--;
        if (!length) continue;
        GROW(list, capacity, count + 2);
        list[count++] = mem_strndup(word, length);
    }
    list[count] = NULL;
    return list;
}

/* Groups.parseStaticMapping: user=group,group;user=;… */
static int parse_overrides(struct user_groups *groups, const char *text, struct err *err)
{
    char *copy = mem_strdup(text);
    char **users = split(copy, ";");
    int rc = 0;

    for (char **at = users; *at && !rc; at++) {
        char *rest = *at, *user = strsep(&rest, "=");
        user[strcspn(user, " \t")] = '\0';
        if (!user[0] || (rest && strchr(rest, '=')))
            rc = err_set(
                err, ERR_CONFIG,
                "Configuration hadoop.user.group.static.mapping.overrides is invalid: '%s'; "
                "write user=group,group;user=group",
                text);
        else
            table_put(&groups->fixed, entry_new(user, split(rest, ","), INT64_MAX));
    }
    user_groups_list_free(users);
    mem_free(copy);
    return rc;
}

int user_groups_new(const struct conf *conf, struct user_groups **result, struct err *err)
{
    struct user_groups *groups = NEW(struct user_groups);

    pthread_mutex_init(&groups->lock, NULL);
    groups->cache_ms = conf_ms(conf, CONF_hadoop_security_groups_cache_secs);
    int rc = parse_overrides(groups,
                             conf_str(conf, CONF_hadoop_user_group_static_mapping_overrides), err);
    if (rc) {
        user_groups_free(groups);
        return rc;
    }
    *result = groups;
    return 0;
}

void user_groups_free(struct user_groups *groups)
{
    if (!groups) return;
    table_clear(&groups->fixed);
    table_clear(&groups->cache);
    pthread_mutex_destroy(&groups->lock);
    mem_free(groups);
}

void user_groups_refresh(struct user_groups *groups)
{
    pthread_mutex_lock(&groups->lock);
    table_clear(&groups->cache);
    pthread_mutex_unlock(&groups->lock);
}

/* --- the system --- */

static bool primary_group(const char *user, gid_t *gid)
{
    struct passwd pw, *found = NULL;
    size_t size = 4096;
    int rc;

    for (;;) {
        char *space = mem_alloc(size);
        rc = getpwnam_r(user, &pw, space, size, &found);
        if (found) *gid = pw.pw_gid;
        mem_free(space);
        if (rc != ERANGE || size >= PASSWD_SPACE_MAX) break;
        size *= 2;
    }
    return rc == 0 && found;
}

static char *group_name(gid_t gid)
{
    struct group group, *found = NULL;
    size_t size = 4096;
    char *name = NULL;
    int rc;

    for (;;) { /* a group of many members needs much space */
        char *space = mem_alloc(size);
        rc = getgrgid_r(gid, &group, space, size, &found);
        if (!rc && found) name = mem_strdup(found->gr_name);
        mem_free(space);
        if (rc != ERANGE || size >= PASSWD_SPACE_MAX) break;
        size *= 2;
    }
    return name ? name : mem_printf("%u", (unsigned)gid);
}

static char **ask_system(const char *user, bool *known)
{
    int count = USER_GROUPS_MAX;
    gid_t primary = 0;

    *known = primary_group(user, &primary);
    if (!*known) return NEW_ARRAY(char *, 1);
    gid_t *gids = NEW_ARRAY(gid_t, count);
    if (getgrouplist(user, primary, gids, &count) < 0)
        count = USER_GROUPS_MAX; /* more than we take */
    char **list = NEW_ARRAY(char *, count + 1);
    for (int i = 0; i < count; i++) list[i] = group_name(gids[i]);
    mem_free(gids);
    return list;
}

char **user_groups_remembered(struct user_groups *groups, const char *user)
{
    struct user_entry *entry;
    char **list = NULL;

    HASH_FIND_STR(groups->fixed, user, entry);
    if (entry) return list_copy(entry->list);
    pthread_mutex_lock(&groups->lock);
    HASH_FIND_STR(groups->cache, user, entry);
    if (entry && entry->until_ms > clock_mono_ms()) list = list_copy(entry->list);
    pthread_mutex_unlock(&groups->lock);
    return list;
}

char **user_groups_get(struct user_groups *groups, const char *user)
{
    char **list = user_groups_remembered(groups, user);
    bool known;

    if (list) return list;
    list = ask_system(user, &known);
    struct user_entry *entry = entry_new(
        user, list_copy(list), clock_mono_ms() + (known ? groups->cache_ms : UNKNOWN_USER_MS));
    pthread_mutex_lock(&groups->lock);
    if (HASH_COUNT(groups->cache) >= USER_GROUPS_CACHE_MAX) table_clear(&groups->cache);
    table_put(&groups->cache, entry);
    pthread_mutex_unlock(&groups->lock);
    return list;
}

bool user_in_group(struct user_groups *groups, const char *user, const char *group)
{
    char **list = user_groups_get(groups, user);
    bool found = false;

    for (char **at = list; *at && !found; at++) found = str_eq(*at, group);
    user_groups_list_free(list);
    return found;
}
