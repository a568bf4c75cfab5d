/* Giving a copy the attributes of its source (CommandWithDestination.preserveAttributes). Any
 * thread. */
#ifndef CLIENT_SHELL_PRESERVE_H
#define CLIENT_SHELL_PRESERVE_H

#include "client/shell/item.h"

/* `what` is of enum preserve. */
int preserve_attributes(unsigned what, const struct item *src, const struct item *target,
                        struct err *err) MUST_CHECK;

#endif
