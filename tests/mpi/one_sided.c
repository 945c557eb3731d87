// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * One-sided MPI with checked results: put and get of several sizes between fences, counters by
 * fetch-and-op and compare-and-swap under passive targets, accumulate, post-start-complete-wait.
 * Prints one line, OK or FAILED, with the number of ranks; the exit status follows.
 */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mapped.h"

enum {
  LARGEST = 1 << 20,
  ADDITIONS = 20,
  SWAPS = 5,
  VECTOR = 1000,
};

static int rank, size, errors;

static void check(int good, const char* what) {
  if (!good && errors++ < 3) fprintf(stderr, "one_sided: rank %d: %s\n", rank, what);
}

static uint8_t pattern(int from, size_t length, size_t at) {
  return (uint8_t)((uint32_t)from * 131u + (uint32_t)length * 7u +
                   (uint32_t)at * 2654435761u / 65536u);
}

static void fill(uint8_t* data, size_t length, int from) {
  for (size_t i = 0; i < length; i++) data[i] = pattern(from, length, i);
}

static int intact(const uint8_t* data, size_t length, int from) {
  for (size_t i = 0; i < length; i++)
    if (data[i] != pattern(from, length, i)) return 0;
  return 1;
}

/* Each rank puts into its right neighbour and then gets back from its left one what that one has
 * got. */
static void put_and_get(size_t length) {
  const int right = (rank + 1) % size, left = (rank + size - 1) % size;
  const int before = (left + size - 1) % size;
  uint8_t* window_memory;
  uint8_t *outgoing = malloc(LARGEST), *incoming = malloc(LARGEST);
  MPI_Win window;

  MPI_Win_allocate((MPI_Aint)length, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &window_memory, &window);
  fill(outgoing, length, rank);
  MPI_Win_fence(0, window);
  MPI_Put(outgoing, (int)length, MPI_BYTE, right, 0, (int)length, MPI_BYTE, window);
  MPI_Win_fence(0, window);
  check(intact(window_memory, length, left), "put");
  MPI_Get(incoming, (int)length, MPI_BYTE, left, 0, (int)length, MPI_BYTE, window);
  MPI_Win_fence(0, window);
  check(intact(incoming, length, before), "get");
  MPI_Win_free(&window);
  free(outgoing);
  free(incoming);
}

/* All ranks count on rank 0 at the same time: each number is given out once. */
static void count_together(void) {
  int64_t *counter, one = 1, before, sum = 0, total;
  MPI_Win window;

  MPI_Win_allocate(sizeof *counter, sizeof *counter, MPI_INFO_NULL, MPI_COMM_WORLD, &counter,
                   &window);
  MPI_Win_lock(MPI_LOCK_EXCLUSIVE, rank, 0, window);
  *counter = 0;
  MPI_Win_unlock(rank, window);
  MPI_Barrier(MPI_COMM_WORLD);
  MPI_Win_lock_all(0, window);
  for (int i = 0; i < ADDITIONS; i++) {
    MPI_Fetch_and_op(&one, &before, MPI_INT64_T, 0, 0, MPI_SUM, window);
    MPI_Win_flush(0, window);
    sum += before;
  }
  MPI_Win_unlock_all(window);
  MPI_Reduce(&sum, &total, 1, MPI_INT64_T, MPI_SUM, 0, MPI_COMM_WORLD);
  if (rank == 0) {
    const int64_t all = (int64_t)ADDITIONS * size;

    MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, window);
    check(*counter == all, "fetch-and-op: the counter");
    MPI_Win_unlock(0, window);
    check(total == all * (all - 1) / 2, "fetch-and-op: the numbers given out");
  }
  MPI_Win_free(&window);
}

/* A number that each rank raises by compare-and-swap until it has succeeded some times. */
static void swap_together(void) {
  int32_t *number, found;
  MPI_Win window;

  MPI_Win_allocate(sizeof *number, sizeof *number, MPI_INFO_NULL, MPI_COMM_WORLD, &number, &window);
  MPI_Win_lock(MPI_LOCK_EXCLUSIVE, rank, 0, window);
  *number = 0;
  MPI_Win_unlock(rank, window);
  MPI_Barrier(MPI_COMM_WORLD);
  MPI_Win_lock_all(0, window);
  for (int done = 0, guess = 0; done < SWAPS;) {
    const int32_t next = guess + 1, expected = guess;

    MPI_Compare_and_swap(&next, &expected, &found, MPI_INT32_T, 0, 0, window);
    MPI_Win_flush(0, window);
    if (found == expected) done++;
    guess = found == expected ? next : found;
  }
  MPI_Win_unlock_all(window);
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0) {
    MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, window);
    check(*number == SWAPS * size, "compare-and-swap");
    MPI_Win_unlock(0, window);
  }
  MPI_Win_free(&window);
}

/* Every rank adds a vector to that of every other. */
static void accumulate(void) {
  double *sums, vector[VECTOR];
  MPI_Win window;

  MPI_Win_allocate(sizeof vector, sizeof *sums, MPI_INFO_NULL, MPI_COMM_WORLD, &sums, &window);
  for (int i = 0; i < VECTOR; i++) {
    sums[i] = 0;
    vector[i] = rank + i;
  }
  MPI_Win_fence(0, window);
  for (int target = 0; target < size; target++)
    MPI_Accumulate(vector, VECTOR, MPI_DOUBLE, target, 0, VECTOR, MPI_DOUBLE, MPI_SUM, window);
  MPI_Win_fence(0, window);
  for (int i = 0; i < VECTOR; i++)
    check(sums[i] == (double)size * (size - 1) / 2 + (double)size * i, "accumulate");
  MPI_Win_free(&window);
}

/* Even ranks expose, their right neighbours put: post, start, complete, wait. */
static void expose(void) {
  int *memory, value = 1000 + rank;
  MPI_Group world, neighbour;
  MPI_Win window;

  MPI_Win_allocate(sizeof *memory, sizeof *memory, MPI_INFO_NULL, MPI_COMM_WORLD, &memory, &window);
  *memory = -1;
  MPI_Barrier(MPI_COMM_WORLD);
  MPI_Comm_group(MPI_COMM_WORLD, &world);
  const int other = rank % 2 ? rank - 1 : rank + 1;
  if (other < size) {
    MPI_Group_incl(world, 1, &other, &neighbour);
    if (rank % 2) {
      MPI_Win_start(neighbour, 0, window);
      MPI_Put(&value, 1, MPI_INT, other, 0, 1, MPI_INT, window);
      MPI_Win_complete(window);
    } else {
      MPI_Win_post(neighbour, 0, window);
      MPI_Win_wait(window);
      check(*memory == 1000 + other, "post, start, complete, wait");
    }
    MPI_Group_free(&neighbour);
  }
  MPI_Group_free(&world);
  MPI_Win_free(&window);
}

int main(int argc, char** argv) {
  static const size_t lengths[] = {1, 8, 4096, 8900, 65536, 65537, LARGEST};
  int all = 0;

  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  check(expected_library_is_mapped(), "the library of EFA_EXPECTED_LIBRARY is not loaded");
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) put_and_get(lengths[i]);
  count_together();
  swap_together();
  accumulate();
  expose();
  MPI_Allreduce(&errors, &all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  if (rank == 0) printf("one-sided %s: %d ranks, %d errors\n", all ? "FAILED" : "OK", size, all);
  MPI_Finalize();
  return all != 0;
}
