/* The XML of Hadoop's site files, to name and value pairs. Any thread. */
#ifndef COMMON_CONF_XML_H
#define COMMON_CONF_XML_H

#include "common/base.h"
#include "common/err.h"

struct conf_property {
    const char *name;
    const char *value;
    bool final;
    unsigned long line; /* where the property ends */
};

/* Called for each <property> that has a name and a value, both trimmed; anything but 0 ends the
 * parse with that code. */
typedef int conf_property_fn(const struct conf_property *property, void *arg, struct err *err);

/* Elements other than Hadoop's are passed over. Includes and entity declarations are refused: what
 * a site file says must stand in it. ERR_CONFIG names `source` and the line. */
int conf_xml_parse(const char *source, const char *text, size_t length, conf_property_fn *fn,
                   void *arg, struct err *err) MUST_CHECK;

#endif
