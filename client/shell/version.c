/* `hdfs version`. The first line is what scripts read: the Hadoop release whose behaviour this is.
 */
#include <stdio.h>

#include "client/shell/tool.h"

int version_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("Hadoop 3.5.0");
    puts("Tusk " TUSK_VERSION ", HDFS without the JVM");
    puts("Compiled with " __VERSION__);
    return fflush(stdout) ? 1 : 0;
}
