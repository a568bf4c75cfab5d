/*
 * The namenode over HTTP (dfs.namenode.http-address): status page, /jmx, /fsck, /isActive, /conf, /imagetransfer. WebHDFS is not served: its
 * paths answer 404.
 *
 * Thread rules: start and stop from the main thread; everything else on the HTTP thread, which asks the core by namenode_ask().
 */
#ifndef NAMENODE_WEB_H
#define NAMENODE_WEB_H

#include "namenode/namenode.h"

int web_start(struct namenode *nn, struct err *err) MUST_CHECK;
void web_stop(struct namenode *nn);

/* web_status.c */
void web_index(void *namenode, struct http_request *request);
void web_jmx(void *namenode, struct http_request *request);
void web_conf(void *namenode, struct http_request *request);
void web_is_active(void *namenode, struct http_request *request);
/* web_fsck.c */
void web_fsck(void *namenode, struct http_request *request);
/* web_upload.c: the body of a PUT of an image, and its answer */
extern const struct http_upload WEB_UPLOAD;
void web_image_put(struct namenode *nn, struct http_request *request);
/* web_image.c: GET of images and edits (ImageServlet) */
bool web_same_storage(struct namenode *nn, const char *theirs, struct err *why); /* NULL passes */
void web_image_transfer(void *namenode, struct http_request *request);

#endif
