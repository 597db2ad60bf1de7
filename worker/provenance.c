#include "worker/provenance.h"

#include "common/buf.h"
#include "common/json.h"
#include "common/spec.h"
#include "common/version.h"
#include "worker/nn/blas.h"
#include "worker/nn/isa.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

void provenance_host(char out[256])
{
    if (gethostname(out, 256) != 0 || !out[0])
        snprintf(out, 256, "unknown");
    out[255] = '\0';
}

/* "model name" of the first CPU, or the machine's kind where there is none. */
static void cpu_model(char out[256])
{
    static const char KEY[] = "model name";
    char line[512];
    struct utsname name;
    FILE *file = fopen("/proc/cpuinfo", "re");

    snprintf(out, 256, "%s", uname(&name) == 0 ? name.machine : "unknown");
    while (file && fgets(line, sizeof line, file)) {
        char *value = strchr(line, ':');
        if (strncmp(line, KEY, sizeof KEY - 1) != 0 || !value)
            continue;
        value += strspn(value, ": \t");
        value[strcspn(value, "\n")] = '\0';
        snprintf(out, 256, "%.255s", value);
        break;
    }
    if (file)
        fclose(file);
}

static void put(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, ",\"%s\":", name);
    json_put_text(out, value, strlen(value));
}

void provenance_json(struct buf *out, const char *data_hash, const char *numerics,
                     const char *kernels)
{
    char text[256];

    buf_printf(out, "{\"numerics\":%d", SPEC_NUMERICS);
    put(out, "version", COORD_VERSION);
    put(out, "kernels", isa_name(isa_choose()));
    put(out, "blas", blas_core());
    cpu_model(text);
    put(out, "cpu", text);
    provenance_host(text);
    put(out, "host", text);
    if (numerics[0])
        put(out, "convolutions", numerics);
    if (kernels[0])
        put(out, "dense", kernels);
    if (data_hash[0])
        put(out, "data", data_hash);
    buf_puts(out, "}");
}
