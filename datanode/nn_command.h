/* Orders that come with heartbeat answers. Answers Hadoop's BPOfferService.processCommandFromActor.
 */
#ifndef DATANODE_NN_COMMAND_H
#define DATANODE_NN_COMMAND_H

#include "datanode/nn_link.h"

/* Carries out one order; long ones go to workers. `from_active`: of a standby only few are obeyed.
 * False when the namenode wants us to register again. */
bool nn_command_run(struct block_pool *pool, const Pb__DatanodeCommand *command, bool from_active);

#endif
