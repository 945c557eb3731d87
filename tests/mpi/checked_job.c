// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * An MPI job that checks what arrives: ring of 1 MiB messages, all-to-all, all-reduce, gather of
 * host names. Prints one line, OK or FAILED, with ranks and hosts; the exit status follows.
 *
 * usage: checked_job [EXPECTED.json]
 *
 * The file gets, by host, the payload bytes that must have left it for, and come to it from, other
 * hosts: point-to-point and all-to-all only, whose sizes are known. It is a lower bound of the
 * traffic, to be held against the device's counters (check_counters.py). The job fails if a TCP
 * transport of the MPI library is loaded in any rank, or if ranks run over different libraries,
 * which it prints.
 */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  RING_BYTES = 1 << 20,
  RING_ROUNDS = 2,
  BLOCK_BYTES = 4096, /* all-to-all, for each pair of ranks */
  VECTOR_LENGTH = 10000,
  NAME_LENGTH = 64,
  LIBRARIES_LENGTH = 4096,
};

struct job {
  int rank, size;
  char (*hosts)[NAME_LENGTH]; /* by rank */
  uint64_t sent, received;    /* payload bytes that cross hosts */
  int errors;
};

static void complain(struct job* job, const char* what) {
  if (job->errors++ < 3)
    fprintf(stderr, "checked_job: rank %d on %s: %s\n", job->rank, job->hosts[job->rank], what);
}

static void* allocate(size_t bytes) {
  void* memory = calloc(bytes, 1);

  if (!memory) {
    fprintf(stderr, "checked_job: no memory for %zu bytes\n", bytes);
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  return memory;
}

/* Byte `at` of what `from` sends to `to` in round `round`: different for each of them. */
static uint8_t pattern(int from, int to, int round, size_t at) {
  uint32_t x = (uint32_t)from * 2654435761u ^ (uint32_t)to * 40503u ^ (uint32_t)round * 97u ^
               (uint32_t)at * 2246822519u;

  return (uint8_t)(x >> 13 ^ x);
}

static void fill(uint8_t* data, size_t bytes, int from, int to, int round) {
  for (size_t i = 0; i < bytes; i++) data[i] = pattern(from, to, round, i);
}

static int intact(const uint8_t* data, size_t bytes, int from, int to, int round) {
  for (size_t i = 0; i < bytes; i++)
    if (data[i] != pattern(from, to, round, i)) return 0;
  return 1;
}

/* Counts `bytes` between this rank and `peer` if they cross hosts. */
static void count(const struct job* job, uint64_t* counter, int peer, uint64_t bytes) {
  if (strcmp(job->hosts[job->rank], job->hosts[peer])) *counter += bytes;
}

static void gather_hosts(struct job* job) {
  char name[MPI_MAX_PROCESSOR_NAME] = "";
  char mine[NAME_LENGTH] = "";
  int length;

  MPI_Get_processor_name(name, &length);
  snprintf(mine, sizeof(mine), "%.*s", NAME_LENGTH - 1, name);
  job->hosts = allocate((size_t)job->size * NAME_LENGTH);
  MPI_Allgather(mine, NAME_LENGTH, MPI_CHAR, job->hosts, NAME_LENGTH, MPI_CHAR, MPI_COMM_WORLD);
  if (strcmp(job->hosts[job->rank], mine)) complain(job, "its own host name came back changed");
}

static void ring(struct job* job) {
  const int next = (job->rank + 1) % job->size;
  const int previous = (job->rank + job->size - 1) % job->size;
  uint8_t* out = allocate(RING_BYTES);
  uint8_t* in = allocate(RING_BYTES);

  for (int round = 0; round < RING_ROUNDS; round++) {
    fill(out, RING_BYTES, job->rank, next, round);
    memset(in, 0, RING_BYTES);
    MPI_Sendrecv(out, RING_BYTES, MPI_BYTE, next, round, in, RING_BYTES, MPI_BYTE, previous, round,
                 MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    if (!intact(in, RING_BYTES, previous, job->rank, round))
      complain(job, "the ring brought wrong data");
    count(job, &job->sent, next, RING_BYTES);
    count(job, &job->received, previous, RING_BYTES);
  }
  free(out);
  free(in);
}

static void all_to_all(struct job* job) {
  uint8_t* out = allocate((size_t)job->size * BLOCK_BYTES);
  uint8_t* in = allocate((size_t)job->size * BLOCK_BYTES);

  for (int peer = 0; peer < job->size; peer++)
    fill(out + (size_t)peer * BLOCK_BYTES, BLOCK_BYTES, job->rank, peer, 7);
  MPI_Alltoall(out, BLOCK_BYTES, MPI_BYTE, in, BLOCK_BYTES, MPI_BYTE, MPI_COMM_WORLD);
  for (int peer = 0; peer < job->size; peer++) {
    if (!intact(in + (size_t)peer * BLOCK_BYTES, BLOCK_BYTES, peer, job->rank, 7))
      complain(job, "the all-to-all brought wrong data");
    count(job, &job->sent, peer, BLOCK_BYTES);
    count(job, &job->received, peer, BLOCK_BYTES);
  }
  free(out);
  free(in);
}

static void all_reduce(struct job* job) {
  int64_t* mine = allocate(VECTOR_LENGTH * sizeof(*mine));
  int64_t* sum = allocate(VECTOR_LENGTH * sizeof(*sum));
  const int64_t ranks = job->size;

  for (int64_t i = 0; i < VECTOR_LENGTH; i++) mine[i] = (job->rank + 1) * (i + 1);
  MPI_Allreduce(mine, sum, VECTOR_LENGTH, MPI_INT64_T, MPI_SUM, MPI_COMM_WORLD);
  for (int64_t i = 0; i < VECTOR_LENGTH; i++)
    if (sum[i] != ranks * (ranks + 1) / 2 * (i + 1)) {
      complain(job, "the all-reduce gave a wrong sum");
      break;
    }
  free(mine);
  free(sum);
}

/* Open MPI loads a transport as a shared object, so a silent way round the device shows here. */
static void check_transports(struct job* job) {
  char line[4096];
  int efa = 0, others = 0;
  FILE* maps = fopen("/proc/self/maps", "r");

  if (!maps) return complain(job, "cannot read /proc/self/maps");
  while (fgets(line, sizeof(line), maps)) {
    others |= strstr(line, "mca_btl_tcp") || strstr(line, "mca_pml_ob1");
    efa |= strstr(line, "libefa") != NULL;
  }
  fclose(maps);
  if (others) complain(job, "Open MPI has loaded TCP, which could carry traffic past the device");
  if (!efa) complain(job, "libefa is not loaded: the job runs over something else");
}

/* The path in a line of /proc/self/maps if it is a library that the job runs over, or null. */
static const char* library_in(char* line) {
  const char* path = strchr(line, '/');
  const char* name = path ? strrchr(path, '/') : NULL;

  line[strcspn(line, "\n")] = '\0';
  if (!name || (strncmp(name, "/libefa", 7) && strncmp(name, "/libfabric.so", 13))) return NULL;
  return path;
}

/* The libraries that this process has mapped, each once, one in a line. */
static void list_libraries(char list[LIBRARIES_LENGTH]) {
  char line[4096];
  size_t used = 0;
  FILE* maps = fopen("/proc/self/maps", "r");

  list[0] = '\0';
  while (maps && fgets(line, sizeof(line), maps)) {
    const char* path = library_in(line);

    if (!path || strstr(list, path) || used + strlen(path) + 16 > LIBRARIES_LENGTH) continue;
    used += (size_t)snprintf(list + used, LIBRARIES_LENGTH - used, "\n  %s", path);
  }
  if (maps) fclose(maps);
}

/* Whether two lists have the same lines; the order is that of addresses, which are random. */
static int same_lines(const char* list, const char* other) {
  char line[LIBRARIES_LENGTH];

  if (strlen(list) != strlen(other)) return 0;
  while (*list) {
    const size_t length = 1 + strcspn(list + 1, "\n");

    snprintf(line, sizeof(line), "%.*s", (int)length, list);
    if (!strstr(other, line)) return 0;
    list += length;
  }
  return 1;
}

/* All ranks run over the same libraries, which rank 0 prints. */
static void compare_libraries(struct job* job) {
  char mine[LIBRARIES_LENGTH], first[LIBRARIES_LENGTH];

  list_libraries(mine);
  memcpy(first, mine, sizeof(first));
  MPI_Bcast(first, LIBRARIES_LENGTH, MPI_CHAR, 0, MPI_COMM_WORLD);
  if (!same_lines(mine, first)) complain(job, "it has mapped other libraries than rank 0");
  if (job->rank == 0) printf("checked_job: %d ranks have mapped, each:%s\n", job->size, mine);
}

static int first_rank_of_host(const struct job* job, int rank) {
  int first = 0;

  while (strcmp(job->hosts[first], job->hosts[rank])) first++;
  return first;
}

static int host_count(const struct job* job) {
  int hosts = 0;

  for (int rank = 0; rank < job->size; rank++) hosts += first_rank_of_host(job, rank) == rank;
  return hosts;
}

static void write_expected(const struct job* job, const char* path, const uint64_t* totals) {
  const char* separator = "";
  FILE* file = fopen(path, "w");

  if (!file) {
    perror(path);
    MPI_Abort(MPI_COMM_WORLD, 1);
    return;
  }
  fprintf(file, "{");
  for (int host = 0; host < job->size; host++) {
    uint64_t out = 0, in = 0;

    if (first_rank_of_host(job, host) != host) continue;
    for (int rank = host; rank < job->size; rank++) {
      if (first_rank_of_host(job, rank) != host) continue;
      out += totals[2 * rank];
      in += totals[2 * rank + 1];
    }
    fprintf(file, "%s\n  \"%s\": {\"tx\": %llu, \"rx\": %llu}", separator, job->hosts[host],
            (unsigned long long)out, (unsigned long long)in);
    separator = ",";
  }
  fprintf(file, "\n}\n");
  if (fclose(file)) MPI_Abort(MPI_COMM_WORLD, 1);
}

static int report(const struct job* job, const char* path) {
  const uint64_t mine[2] = {job->sent, job->received};
  uint64_t* totals = allocate((size_t)job->size * sizeof(mine));
  int errors = 0;

  MPI_Gather(mine, 2, MPI_UINT64_T, totals, 2, MPI_UINT64_T, 0, MPI_COMM_WORLD);
  MPI_Allreduce(&job->errors, &errors, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  if (job->rank == 0) {
    if (path) write_expected(job, path, totals);
    printf("checked_job: %s: %d ranks on %d hosts, %d errors\n", errors ? "FAILED" : "OK",
           job->size, host_count(job), errors);
    fflush(stdout);
  }
  free(totals);
  return errors;
}

int main(int argc, char** argv) {
  struct job job = {0};
  int errors;

  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &job.rank);
  MPI_Comm_size(MPI_COMM_WORLD, &job.size);
  gather_hosts(&job);
  ring(&job);
  all_to_all(&job);
  all_reduce(&job);
  check_transports(&job);
  compare_libraries(&job);
  errors = report(&job, argc > 1 ? argv[1] : NULL);
  free(job.hosts);
  MPI_Finalize();
  return errors != 0;
}
