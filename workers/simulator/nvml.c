/* NVML as nvidia-ml-py and codecarbon call it, answering from a file that the physics process writes.
 *
 * The file (`state`, beside this library) is mapped by both sides and holds one board behind a sequence lock: the
 * writer makes the sequence odd, writes, makes it even; a reader copies and takes the copy only if the sequence was
 * even and the same before and after. The structures of the file are mirrored in library.py. What was published long
 * ago is not returned: the writer is gone.
 *
 * Faults lie in the file too: a refusal names a function and the error that it returns ("*": every question about
 * the device; "field 186": one field value).
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    SUCCESS = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9,
    TIMEOUT = 10,
    GPU_IS_LOST = 15,
};

#define MAGIC UINT64_C(0x6d72616674746177)
#define MOST 16
#define GONE_NS INT64_C(5000000000)

struct process {
    uint64_t memory_bytes;
    uint32_t pid;
    uint32_t padding;
};

struct refusal {
    char function[60];
    int32_t error;
};

struct board {
    uint64_t energy_mj, reasons, memory_bytes, memory_used_bytes;
    uint32_t instant_mw, average_mw, usage_mw, limit_mw, default_limit_mw;
    uint32_t temperature_c, clock_mhz, memory_clock_mhz, max_clock_mhz;
    uint32_t load_percent, memory_percent, ecc, mig, persistence;
    uint32_t pcie_generation, pcie_width, capability_major, capability_minor;
    uint32_t process_count, refusal_count;
    struct process processes[MOST];
    struct refusal refusals[MOST];
    char name[96], uuid[80], vbios[32], driver[80], bus_id[32];
};

struct shared {
    uint64_t magic;
    _Atomic uint64_t sequence;
    _Atomic uint64_t counter_reads;
    int64_t published_ns; /* monotonic */
    struct board board;
};

static int64_t now_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* The physics process's side. */

size_t simulator_shared_size(void) { return sizeof(struct shared); }

void simulator_publish(struct shared *shared, const struct board *board) {
    uint64_t sequence = atomic_load_explicit(&shared->sequence, memory_order_relaxed);
    atomic_store_explicit(&shared->sequence, sequence + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    shared->magic = MAGIC;
    shared->published_ns = now_ns(CLOCK_MONOTONIC);
    shared->board = *board;
    atomic_store_explicit(&shared->sequence, sequence + 2, memory_order_release);
}

/* The readers' side. */

static pthread_mutex_t sessions_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned sessions = 0;
static struct shared *shared = NULL;
static char the_device; /* its address is the handle */

static struct shared *map_file(void) {
    Dl_info here;
    if (dladdr(&the_device, &here) == 0) return NULL;
    const char *slash = strrchr(here.dli_fname, '/');
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%.*sstate", slash == NULL ? 0 : (int)(slash - here.dli_fname) + 1, here.dli_fname);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return NULL;
    struct stat status;
    void *mapped = MAP_FAILED;
    if (fstat(fd, &status) == 0 && (size_t)status.st_size == sizeof(struct shared))
        mapped = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return mapped == MAP_FAILED ? NULL : mapped;
}

/* A consistent copy of the board; a writer that died half-way is waited for a second. */
static int copy_board(struct board *board) {
    if (shared == NULL) return UNINITIALIZED;
    const struct timespec pause = {.tv_nsec = 100000};
    for (int attempt = 0; attempt < 10000; attempt++) {
        uint64_t before = atomic_load_explicit(&shared->sequence, memory_order_acquire);
        if (before % 2 == 0) {
            *board = shared->board;
            int64_t age_ns = now_ns(CLOCK_MONOTONIC) - shared->published_ns;
            atomic_thread_fence(memory_order_acquire);
            if (atomic_load_explicit(&shared->sequence, memory_order_relaxed) == before) {
                if (shared->magic != MAGIC) return DRIVER_NOT_LOADED;
                return age_ns > GONE_NS ? GPU_IS_LOST : SUCCESS;
            }
        }
        nanosleep(&pause, NULL);
    }
    return TIMEOUT;
}

static int refused(const struct board *board, const char *function) {
    for (uint32_t i = 0; i < board->refusal_count && i < MOST; i++)
        if (strcmp(board->refusals[i].function, function) == 0) return board->refusals[i].error;
    return SUCCESS;
}

/* A question to the system. */
static int ask(const char *function, struct board *board) {
    int status = copy_board(board);
    return status == SUCCESS ? refused(board, function) : status;
}

/* A question to the device. */
static int ask_device(const char *function, const void *device, struct board *board) {
    int status = ask(function, board);
    if (status == SUCCESS) status = refused(board, "*");
    return status == SUCCESS && device != &the_device ? INVALID_ARGUMENT : status;
}

static int give_text(const char *text, char *answer, unsigned size) {
    if (answer == NULL) return INVALID_ARGUMENT;
    if (strlen(text) >= size) return INSUFFICIENT_SIZE;
    strcpy(answer, text);
    return SUCCESS;
}

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    pthread_mutex_lock(&sessions_lock);
    if (sessions == 0) shared = map_file();
    struct board board;
    int status = shared == NULL ? DRIVER_NOT_LOADED : ask(__func__, &board);
    if (status == SUCCESS) {
        sessions++;
    } else if (sessions == 0 && shared != NULL) {
        munmap(shared, sizeof(struct shared));
        shared = NULL;
    }
    pthread_mutex_unlock(&sessions_lock);
    return status;
}

int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

int nvmlShutdown(void) {
    pthread_mutex_lock(&sessions_lock);
    int status = sessions == 0 ? UNINITIALIZED : SUCCESS;
    if (sessions > 0 && --sessions == 0) {
        munmap(shared, sizeof(struct shared));
        shared = NULL;
    }
    pthread_mutex_unlock(&sessions_lock);
    return status;
}

const char *nvmlErrorString(int status) {
    switch (status) {
        case SUCCESS: return "The operation was successful";
        case UNINITIALIZED: return "Uninitialized";
        case INVALID_ARGUMENT: return "Invalid Argument";
        case NOT_SUPPORTED: return "Not Supported";
        case NOT_FOUND: return "Not Found";
        case INSUFFICIENT_SIZE: return "Insufficient Size";
        case DRIVER_NOT_LOADED: return "Driver Not Loaded";
        case TIMEOUT: return "Timeout";
        case 4: return "Insufficient Permissions";
        case 13: return "Function Not Found";
        case GPU_IS_LOST: return "GPU is lost";
        default: return "Unknown Error";
    }
}

int nvmlSystemGetDriverVersion(char *version, unsigned size) {
    struct board board;
    int status = ask(__func__, &board);
    return status == SUCCESS ? give_text(board.driver, version, size) : status;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    struct board board;
    int status = ask(__func__, &board);
    if (status == SUCCESS) *count = 1;
    return status;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    struct board board;
    int status = ask_device(__func__, &the_device, &board);
    if (status == SUCCESS && index != 0) status = INVALID_ARGUMENT;
    if (status == SUCCESS) *device = &the_device;
    return status;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, void **device) {
    struct board board;
    int status = ask_device(__func__, &the_device, &board);
    if (status == SUCCESS && (uuid == NULL || strcmp(uuid, board.uuid) != 0)) status = NOT_FOUND;
    if (status == SUCCESS) *device = &the_device;
    return status;
}

#define GIVES_TEXT(function, field)                                                     \
    int function(void *device, char *answer, unsigned size) {                           \
        struct board board;                                                             \
        int status = ask_device(__func__, device, &board);                              \
        return status == SUCCESS ? give_text(board.field, answer, size) : status;       \
    }

#define GIVES(function, type, value)                                                    \
    int function(void *device, type *answer) {                                          \
        struct board board;                                                             \
        int status = ask_device(__func__, device, &board);                              \
        if (status == SUCCESS) *answer = (value);                                       \
        return status;                                                                  \
    }

#define GIVES_TWO(function, type, first_value, second_value)                            \
    int function(void *device, type *first, type *second) {                             \
        struct board board;                                                             \
        int status = ask_device(__func__, device, &board);                              \
        if (status == SUCCESS) {                                                        \
            *first = (first_value);                                                     \
            *second = (second_value);                                                   \
        }                                                                               \
        return status;                                                                  \
    }

GIVES_TEXT(nvmlDeviceGetName, name)
GIVES_TEXT(nvmlDeviceGetUUID, uuid)
GIVES_TEXT(nvmlDeviceGetVbiosVersion, vbios)
GIVES(nvmlDeviceGetPowerUsage, unsigned, board.usage_mw)
GIVES(nvmlDeviceGetEnforcedPowerLimit, unsigned, board.limit_mw)
GIVES(nvmlDeviceGetPowerManagementLimit, unsigned, board.limit_mw)
GIVES(nvmlDeviceGetPowerManagementDefaultLimit, unsigned, board.default_limit_mw)
GIVES(nvmlDeviceGetCurrentClocksEventReasons, unsigned long long, board.reasons)
GIVES(nvmlDeviceGetCurrentClocksThrottleReasons, unsigned long long, board.reasons)
GIVES(nvmlDeviceGetPersistenceMode, unsigned, board.persistence)
GIVES(nvmlDeviceGetComputeMode, unsigned, 0)
GIVES(nvmlDeviceGetMaxPcieLinkGeneration, unsigned, board.pcie_generation)
GIVES(nvmlDeviceGetCurrPcieLinkGeneration, unsigned, board.pcie_generation)
GIVES(nvmlDeviceGetMaxPcieLinkWidth, unsigned, board.pcie_width)
GIVES(nvmlDeviceGetCurrPcieLinkWidth, unsigned, board.pcie_width)
GIVES_TWO(nvmlDeviceGetEccMode, unsigned, board.ecc, board.ecc)
GIVES_TWO(nvmlDeviceGetMigMode, unsigned, board.mig, board.mig)
GIVES_TWO(nvmlDeviceGetCudaComputeCapability, int, (int)board.capability_major, (int)board.capability_minor)

int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *energy_mj) {
    struct board board;
    int status = ask_device(__func__, device, &board);
    if (status != SUCCESS) return status;
    atomic_fetch_add_explicit(&shared->counter_reads, 1, memory_order_relaxed);
    *energy_mj = board.energy_mj;
    return SUCCESS;
}

static int temperature(const char *function, void *device, int sensor, unsigned *celsius) {
    struct board board;
    int status = ask_device(function, device, &board);
    if (status == SUCCESS && sensor != 0) status = INVALID_ARGUMENT;
    if (status == SUCCESS) *celsius = board.temperature_c;
    return status;
}

int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *celsius) {
    return temperature(__func__, device, sensor, celsius);
}

struct temperature {
    unsigned version;
    int sensor;
    int celsius;
};

int nvmlDeviceGetTemperatureV(void *device, struct temperature *answer) {
    return temperature(__func__, device, answer->sensor, (unsigned *)&answer->celsius);
}

enum { CLOCK_MEMORY = 2, CLOCK_TYPES = 4 };

static int clock_of(const char *function, void *device, int type, unsigned *mhz) {
    struct board board;
    int status = ask_device(function, device, &board);
    if (status != SUCCESS) return status;
    if (type < 0 || type >= CLOCK_TYPES) return INVALID_ARGUMENT;
    unsigned core_mhz = strcmp(function, "nvmlDeviceGetMaxClockInfo") == 0 ? board.max_clock_mhz : board.clock_mhz;
    *mhz = type == CLOCK_MEMORY ? board.memory_clock_mhz : core_mhz;
    return SUCCESS;
}

int nvmlDeviceGetClockInfo(void *device, int type, unsigned *mhz) { return clock_of(__func__, device, type, mhz); }

int nvmlDeviceGetMaxClockInfo(void *device, int type, unsigned *mhz) { return clock_of(__func__, device, type, mhz); }

struct memory {
    unsigned long long total, free, used;
};

int nvmlDeviceGetMemoryInfo(void *device, struct memory *memory) {
    struct board board;
    int status = ask_device(__func__, device, &board);
    if (status == SUCCESS)
        *memory = (struct memory){
            .total = board.memory_bytes,
            .free = board.memory_bytes - board.memory_used_bytes,
            .used = board.memory_used_bytes,
        };
    return status;
}

struct utilization {
    unsigned gpu, memory;
};

int nvmlDeviceGetUtilizationRates(void *device, struct utilization *rates) {
    struct board board;
    int status = ask_device(__func__, device, &board);
    if (status == SUCCESS) *rates = (struct utilization){board.load_percent, board.memory_percent};
    return status;
}

struct process_info {
    unsigned pid;
    unsigned long long memory_bytes;
    unsigned gpu_instance, compute_instance;
};

int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, struct process_info *processes) {
    struct board board;
    int status = ask_device(__func__, device, &board);
    if (status != SUCCESS) return status;
    unsigned room = *count;
    *count = board.process_count;
    if (room < board.process_count || (processes == NULL && board.process_count > 0)) return INSUFFICIENT_SIZE;
    for (unsigned i = 0; i < board.process_count; i++)
        processes[i] = (struct process_info){
            .pid = board.processes[i].pid,
            .memory_bytes = board.processes[i].memory_bytes,
            .gpu_instance = UINT32_MAX,
            .compute_instance = UINT32_MAX,
        };
    return SUCCESS;
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(void *device, unsigned *count, struct process_info *processes) {
    (void)processes;
    struct board board;
    int status = ask_device(__func__, device, &board);
    if (status == SUCCESS) *count = 0;
    return status;
}

struct pci_info {
    char legacy_bus_id[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
};

int nvmlDeviceGetPciInfo_v3(void *device, struct pci_info *pci) {
    struct board board;
    int status = ask_device(__func__, device, &board);
    if (status != SUCCESS) return status;
    *pci = (struct pci_info){0};
    sscanf(board.bus_id, "%x:%x:%x", &pci->domain, &pci->bus, &pci->device);
    strcpy(pci->bus_id, board.bus_id);
    snprintf(pci->legacy_bus_id, sizeof pci->legacy_bus_id, "%04x:%02x:%02x.0", pci->domain & 0xffff,
             pci->bus & 0xff, pci->device & 0xff);
    return SUCCESS;
}

enum { FIELD_ENERGY = 83, FIELD_POWER_AVERAGE = 185, FIELD_POWER_INSTANT = 186 };
enum { VALUE_UNSIGNED_INT = 1, VALUE_UNSIGNED_LONG_LONG = 3 };

struct field_value {
    uint32_t field, scope;
    int64_t timestamp_us, latency_us;
    int32_t type, status;
    union {
        uint32_t unsigned_int;
        uint64_t unsigned_long_long;
    } value;
};

static void fill_field(const struct board *board, struct field_value *field) {
    char name[32];
    snprintf(name, sizeof name, "field %u", (unsigned)field->field);
    field->timestamp_us = now_ns(CLOCK_REALTIME) / 1000;
    field->latency_us = 0;
    field->type = VALUE_UNSIGNED_INT;
    field->status = refused(board, name);
    field->value.unsigned_long_long = 0;
    if (field->status != SUCCESS) return;
    switch (field->field) {
        case FIELD_POWER_INSTANT: field->value.unsigned_int = board->instant_mw; break;
        case FIELD_POWER_AVERAGE: field->value.unsigned_int = board->average_mw; break;
        case FIELD_ENERGY:
            field->type = VALUE_UNSIGNED_LONG_LONG;
            field->value.unsigned_long_long = board->energy_mj;
            atomic_fetch_add_explicit(&shared->counter_reads, 1, memory_order_relaxed);
            break;
        default: field->status = NOT_SUPPORTED;
    }
}

int nvmlDeviceGetFieldValues(void *device, int count, struct field_value *fields) {
    struct board board;
    int status = ask_device(__func__, device, &board);
    if (status == SUCCESS)
        for (int i = 0; i < count; i++) fill_field(&board, &fields[i]);
    return status;
}
