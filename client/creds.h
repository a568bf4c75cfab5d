/*
 * Who we are, under SIMPLE authentication: what Java's UserGroupInformation takes as the login
 * user. Any thread.
 */
#ifndef CLIENT_CREDS_H
#define CLIENT_CREDS_H

#include "common/base.h"
#include "common/err.h"

struct creds {
    char *user;      /* whose rights count */
    char *real_user; /* the proxy user behind it, or NULL */
};

/* `user` NULL: HADOOP_USER_NAME, else the process's effective user; HADOOP_PROXY_USER then acts on
 * that user's behalf. ERR_ACCESS when the process's user has no name ("set HADOOP_USER_NAME"). */
int creds_init(struct creds *creds, const char *user, struct err *err) MUST_CHECK;
void creds_release(struct creds *creds); /* zeroed afterwards */

#endif
