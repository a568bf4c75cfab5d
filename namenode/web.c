#include "namenode/web.h"

#include "common/net.h"

int web_start(struct namenode *nn, struct err *err)
{
    const char *address = conf_str(nn->conf, CONF_dfs_namenode_http_address),
               *bind_host = conf_str(nn->conf, CONF_dfs_namenode_http_bind_host);
    struct net_addr parsed;
    char text[300];
    int rc = net_parse(address, 9870, &parsed, err);

    if (rc) return rc;
    if (!str_empty(bind_host)) snprintf(parsed.host, sizeof parsed.host, "%s", bind_host);
    net_format(&parsed, text, sizeof text);
    nn->http = http_server_new(err);
    if (!nn->http) return ERR_IO;
    http_server_route(nn->http, "/", web_index, nn);
    http_server_route(nn->http, "/index.html", web_index, nn);
    http_server_route(nn->http, "/jmx", web_jmx, nn);
    http_server_route(nn->http, "/conf", web_conf, nn);
    http_server_route(nn->http, "/isActive", web_is_active, nn);
    http_server_route(nn->http, "/fsck", web_fsck, nn);
    http_server_route_upload(nn->http, "/imagetransfer", web_image_transfer, &WEB_UPLOAD, nn);
    rc = http_server_listen(nn->http, text, 9870, &nn->http_port, err);
    return rc ? rc : http_server_start(nn->http, err);
}

void web_stop(struct namenode *nn)
{
    http_server_free(nn->http);
    nn->http = NULL;
}
