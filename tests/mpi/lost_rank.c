// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A ring of 1 MiB messages in which the last rank kills itself after some rounds. The others go on
 * sending and receiving: the job has to end by an error, not to hang. usage: lost_rank
 */
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum {
  BYTES = 1 << 20,
  ROUNDS = 10,
};

int main(int argc, char** argv) {
  char *out = calloc(BYTES, 1), *in = calloc(BYTES, 1);
  int rank, size;

  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (int round = 0;; round++) {
    if (round == ROUNDS && rank == size - 1) {
      printf("rank %d kills itself\n", rank);
      fflush(stdout);
      raise(SIGKILL);
    }
    MPI_Sendrecv(out, BYTES, MPI_BYTE, (rank + 1) % size, 1, in, BYTES, MPI_BYTE,
                 (rank + size - 1) % size, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  }
}
