/* The order in which a java.util.HashMap with String keys shows its entries: output that Apache
 * prints so. Pure. */
#ifndef CLIENT_SHELL_JAVA_MAP_H
#define CLIENT_SHELL_JAVA_MAP_H

#include "common/base.h"

int32_t java_string_hash(const char *text); /* String.hashCode of UTF-8 text */
/* Fills `order` with the positions of `count` different keys, put in the order given, as the map
 * lists them. */
void java_map_order(const char *const *keys, size_t count, size_t *order);

#endif
