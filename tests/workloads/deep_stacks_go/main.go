// deep_stacks_go keeps one core busy under 200 different stacks of depth 23, to measure what profiling costs.
package main

import (
	"fmt"
	"os"
)

const (
	stacks = 200
	levels = 19 // with spin, main.main, runtime.main and runtime.goexit: 23
)

var sink uint64

// Some 0.3 ms.
//
//go:noinline
func spin(seed uint64) uint64 {
	x := seed | 1
	for i := 0; i < 200_000; i++ {
		x ^= x >> 33
		x *= 0xff51afd7ed558ccd
	}
	return x
}

// The lowest bits of path choose the functions below, so each path is a stack of its own.
//
//go:noinline
func left(level int, path uint64) uint64 { return descend(level, path) + 1 }

//go:noinline
func right(level int, path uint64) uint64 { return descend(level, path) + 2 }

// Inlined into both.
func descend(level int, path uint64) uint64 {
	if level == 0 {
		return spin(path)
	}
	if path&1 != 0 {
		return right(level-1, path>>1)
	}
	return left(level-1, path>>1)
}

func main() {
	fmt.Printf("ready pid=%d\n", os.Getpid())
	for unit := uint64(0); ; unit++ {
		sink += left(levels-1, unit%stacks*2654435761%(1<<levels))
	}
}
