/* The datanode's HTTP port: /jmx with Hadoop's beans, a status page. */
#ifndef DATANODE_DN_WEB_H
#define DATANODE_DN_WEB_H

#include "datanode/datanode.h"

/* Makes dn->http and serves. */
int dn_web_start(struct datanode *dn, uint16_t *port, struct err *err) MUST_CHECK;

#endif
