/*
 * Reads the message of a plain file of an image without protobuf-c, which would take half of the time of a start. It fills protobuf-c's own
 * structs, so that whoever looks at them needs not know.
 */
#ifndef NAMENODE_IMAGE_INODE_H
#define NAMENODE_IMAGE_INODE_H

#include "common/buf.h"
#include "proto/fsimage.pb-c.h"

enum { IMAGE_INODE_BLOCKS = 64 };

/* Memory of one message; the next one overwrites it. */
struct image_inode {
    Pb__INodeSection__INode inode;
    Pb__INodeSection__INodeFile file;
    Pb__Block blocks[IMAGE_INODE_BLOCKS];
    Pb__Block *list[IMAGE_INODE_BLOCKS];
};

/* False: the message is something else, or damaged; protobuf-c will say. The name stays in the input. */
bool image_inode_read(struct image_inode *out, struct cursor message);

#endif
