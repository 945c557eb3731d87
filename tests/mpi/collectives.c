// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Collectives and point-to-point calls of MPI with checked results, from 1 byte to 1 MiB:
 * broadcast, reduce, scan, gather, scatter, all-gather of different lengths, all-to-all; probes,
 * receives from anybody, synchronous and ready sends, truncation. Prints one line, OK or FAILED;
 * the exit status follows.
 */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mapped.h"

enum {
  LARGEST = 1 << 20,
  ROUNDS = 3,
};

static int rank, size, errors;

static void check(int good, const char* what) {
  if (!good && errors++ < 3) fprintf(stderr, "collectives: rank %d: %s\n", rank, what);
}

static void fill(uint8_t* data, int length, int seed) {
  for (int i = 0; i < length; i++) data[i] = (uint8_t)(seed * 31 + i + i / 251);
}

static int intact(const uint8_t* data, int length, int seed) {
  for (int i = 0; i < length; i++)
    if (data[i] != (uint8_t)(seed * 31 + i + i / 251)) return 0;
  return 1;
}

static void broadcast(uint8_t* data, int length) {
  for (int round = 0; round < ROUNDS; round++) {
    const int root = round * 5 % size;

    memset(data, 0xee, (size_t)length);
    if (rank == root) fill(data, length, root + length);
    MPI_Bcast(data, length, MPI_BYTE, root, MPI_COMM_WORLD);
    check(intact(data, length, root + length), "broadcast");
  }
}

static void reductions(void) {
  int64_t mine[512], sum[512];
  int largest, before = -1;

  for (int i = 0; i < 512; i++) mine[i] = (int64_t)rank * i;
  MPI_Reduce(mine, sum, 512, MPI_INT64_T, MPI_SUM, size - 1, MPI_COMM_WORLD);
  if (rank == size - 1)
    for (int i = 0; i < 512; i++) check(sum[i] == (int64_t)size * (size - 1) / 2 * i, "reduce");
  MPI_Allreduce(&rank, &largest, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  check(largest == size - 1, "all-reduce, maximum");
  MPI_Exscan(&rank, &before, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  check(rank == 0 || before == rank * (rank - 1) / 2, "exclusive scan");
}

/* Rank r contributes r + 1 pieces of 100 bytes. */
static void gather_all(void) {
  const int piece = 100;
  int *lengths = malloc((size_t)size * sizeof *lengths),
      *offsets = malloc((size_t)size * sizeof *offsets);
  int total = 0;

  for (int i = 0; i < size; i++) {
    lengths[i] = piece * (i + 1);
    offsets[i] = total;
    total += lengths[i];
  }
  uint8_t *mine = malloc((size_t)lengths[rank]), *everything = malloc((size_t)total);

  fill(mine, lengths[rank], rank);
  MPI_Allgatherv(mine, lengths[rank], MPI_BYTE, everything, lengths, offsets, MPI_BYTE,
                 MPI_COMM_WORLD);
  for (int i = 0; i < size; i++)
    check(intact(everything + offsets[i], lengths[i], i), "all-gather");
  memset(mine, 0, (size_t)lengths[rank]);
  MPI_Scatterv(everything, lengths, offsets, MPI_BYTE, mine, lengths[rank], MPI_BYTE, 0,
               MPI_COMM_WORLD);
  check(intact(mine, lengths[rank], rank), "scatter");
  free(lengths);
  free(offsets);
  free(mine);
  free(everything);
}

static void all_to_all(int length) {
  uint8_t *out = malloc((size_t)length * (size_t)size), *in = malloc((size_t)length * (size_t)size);

  for (int i = 0; i < size; i++) fill(out + (size_t)length * (size_t)i, length, rank * 1000 + i);
  MPI_Alltoall(out, length, MPI_BYTE, in, length, MPI_BYTE, MPI_COMM_WORLD);
  for (int i = 0; i < size; i++)
    check(intact(in + (size_t)length * (size_t)i, length, i * 1000 + rank), "all-to-all");
  free(out);
  free(in);
}

/* Everybody sends to rank 0, which takes what comes, by probe and matched receive, or from anybody.
 */
static void anybody(uint8_t* data, int length) {
  MPI_Status status;
  MPI_Message message;
  int found;

  if (rank) {
    fill(data, length, rank);
    /* Open MPI 4.1 acknowledges no synchronous send that a matched probe has found. */
    if (rank % 2)
      MPI_Send(data, length, MPI_BYTE, 0, 7, MPI_COMM_WORLD);
    else
      MPI_Ssend(data, length, MPI_BYTE, 0, 8, MPI_COMM_WORLD);
    return;
  }
  for (int i = 1; i < size; i++) {
    memset(data, 0xee, (size_t)length);
    if (i % 2) {
      MPI_Mprobe(MPI_ANY_SOURCE, 7, MPI_COMM_WORLD, &message, &status);
      MPI_Get_count(&status, MPI_BYTE, &found);
      check(found == length, "matched probe: the length");
      MPI_Mrecv(data, length, MPI_BYTE, &message, &status);
    } else {
      MPI_Recv(data, length, MPI_BYTE, MPI_ANY_SOURCE, 8, MPI_COMM_WORLD, &status);
    }
    check(status.MPI_TAG == 8 - i % 2 && intact(data, length, status.MPI_SOURCE), "from anybody");
  }
}

/* Many messages of one pair must come in the order in which they were sent, whatever their lengths.
 */
static void in_order(uint8_t* data) {
  static const int lengths[] = {100000, 8, 20000, 1, LARGEST, 64, 9000, 2};
  const int count = (int)(sizeof lengths / sizeof *lengths);
  const int right = (rank + 1) % size, left = (rank + size - 1) % size;
  MPI_Request request;
  MPI_Status status;
  int found;

  for (int i = 0; i < count * ROUNDS; i++) {
    uint8_t* copy = malloc(LARGEST);

    fill(data, lengths[i % count], i);
    MPI_Irecv(copy, LARGEST, MPI_BYTE, left, 3, MPI_COMM_WORLD, &request);
    MPI_Send(data, lengths[i % count], MPI_BYTE, right, 3, MPI_COMM_WORLD);
    MPI_Wait(&request, &status);
    MPI_Get_count(&status, MPI_BYTE, &found);
    check(found == lengths[i % count] && intact(copy, found, i), "order");
    free(copy);
  }
}

static void truncated(uint8_t* data) {
  const int right = (rank + 1) % size, left = (rank + size - 1) % size;
  MPI_Request request;

  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Isend(data, 20000, MPI_BYTE, right, 4, MPI_COMM_WORLD, &request);
  const int status =
      MPI_Recv(data + LARGEST / 2, 1000, MPI_BYTE, left, 4, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  int class = MPI_SUCCESS;

  MPI_Error_class(status, &class);
  check(class == MPI_ERR_TRUNCATE, "truncation");
  MPI_Wait(&request, MPI_STATUS_IGNORE);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL);
}

int main(int argc, char** argv) {
  static const int lengths[] = {1, 64, 4096, 8800, 16384, 65536, 65537, LARGEST};
  uint8_t* data = malloc(LARGEST);
  int all = 0;

  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  check(expected_library_is_mapped(), "the library of EFA_EXPECTED_LIBRARY is not loaded");
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    broadcast(data, lengths[i]);
    anybody(data, lengths[i]);
  }
  reductions();
  gather_all();
  all_to_all(8);
  all_to_all(20000);
  in_order(data);
  if (size > 1) truncated(data);
  MPI_Barrier(MPI_COMM_WORLD);
  MPI_Allreduce(&errors, &all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  if (rank == 0) printf("collectives %s: %d ranks, %d errors\n", all ? "FAILED" : "OK", size, all);
  MPI_Finalize();
  free(data);
  return all != 0;
}
