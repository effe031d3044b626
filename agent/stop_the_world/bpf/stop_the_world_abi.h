/* What crosses the kernel: stop_the_world.bpf.c and the agent share it. Plain C, also valid C++. */
#ifndef PILOTLIGHT_AGENT_STOP_THE_WORLD_BPF_STOP_THE_WORLD_ABI_H_
#define PILOTLIGHT_AGENT_STOP_THE_WORLD_BPF_STOP_THE_WORLD_ABI_H_

#include <linux/types.h>

/* Cookie of a probe: where it is. */
#define PL_WORLD_STOPS 0        /* runtime.stopTheWorldWithSema is called; up to Go 1.21 */
#define PL_WORLD_STOPPED 1      /* the first function that the collector calls then; up to Go 1.22 */
#define PL_WORLD_STARTS_SINCE 2 /* runtime.startTheWorldWithSema is told when it was to stop; Go 1.22 */
#define PL_WORLD_STARTS 3  /* it is told when it was to stop, when it had stopped and why; from Go 1.23 on */
#define PL_WORLD_STARTED 4 /* in there, all are running again */

/* Upper bounds in ns; those above the last are in one more. Most pauses are some 10 us; one of a second is
 * what people are woken for. */
#define PL_PAUSE_BUCKETS 16
#define PL_PAUSE_BOUNDS                                                                                   \
  {                                                                                                       \
    10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 25000000, 50000000, \
        100000000, 250000000, 1000000000                                                                  \
  }

struct pl_pauses {
  __u64 ns;
  __u64 counts[PL_PAUSE_BUCKETS];
};

/* Value of the map `pauses`, by process: of the stops for garbage collection since the agent took it last. */
struct pl_stop_the_world {
  struct pl_pauses stopping; /* until all were stopped */
  struct pl_pauses stopped;  /* from then on until all were started */
};

#endif /* PILOTLIGHT_AGENT_STOP_THE_WORLD_BPF_STOP_THE_WORLD_ABI_H_ */
