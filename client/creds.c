#include "client/creds.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/mem.h"

enum { PASSWD_BUFFER = 16 * 1024 };

static char *process_user(struct err *err)
{
    char *memory = mem_alloc(PASSWD_BUFFER);
    struct passwd entry, *found = NULL;
    char *name = NULL;

    int rc = getpwuid_r(geteuid(), &entry, memory, PASSWD_BUFFER, &found);
    if (!rc && found && !str_empty(found->pw_name))
        name = mem_strdup(found->pw_name);
    else
        err_set(err, ERR_ACCESS, "user id %u has no name in the system: set HADOOP_USER_NAME",
                (unsigned)geteuid());
    mem_free(memory);
    return name;
}

int creds_init(struct creds *creds, const char *user, struct err *err)
{
    const char *proxy = getenv("HADOOP_PROXY_USER");
    const char *environment = getenv("HADOOP_USER_NAME");

    *creds = (struct creds){0};
    if (!str_empty(user)) {
        creds->user = mem_strdup(user);
        return 0;
    }
    creds->user = str_empty(environment) ? process_user(err) : mem_strdup(environment);
    if (!creds->user) return err->code;
    if (str_empty(proxy)) return 0;
    creds->real_user = creds->user;
    creds->user = mem_strdup(proxy);
    return 0;
}

void creds_release(struct creds *creds)
{
    mem_free(creds->user);
    mem_free(creds->real_user);
    *creds = (struct creds){0};
}
