/*
 * Finding out where hosts are (DNSToSwitchMapping): the script of net.topology.script.file.name, or the table of net.topology.table.file.name
 * (with net.topology.node.switch.mapping.impl = org.apache.hadoop.net.TableMapping). What is found goes into the topology's cache.
 *
 * Thread rules: worker threads; a look-up may take as long as the script does, at most TOPOLOGY_SCRIPT_TIMEOUT_MS.
 */
#ifndef NAMENODE_TOPOLOGY_SCRIPT_H
#define NAMENODE_TOPOLOGY_SCRIPT_H

#include "common/conf.h"
#include "namenode/topology.h"

enum {
    TOPOLOGY_SCRIPT_TIMEOUT_MS = 10000,
    TOPOLOGY_SCRIPT_OUTPUT_MAX = 1 << 20,
    TOPOLOGY_TABLE_MAX = 64 << 20
};

struct topology_script;

/* Borrows both. Neither script nor table configured: look-ups learn nothing, and every host is on the default rack. */
struct topology_script *topology_script_new(const struct conf *conf, struct topology *topology);
void topology_script_free(struct topology_script *script); /* NULL is fine */

/* Learns the location of each host (address or name) that is not known yet, and the names of addresses. What cannot be found out is logged and stays on the default rack. */
void topology_script_resolve(struct topology_script *script, const char *const *hosts,
                             size_t count);

#endif
