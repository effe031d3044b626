// Garbage is a Go program that makes garbage when told to. It reads commands from its standard input, a line
// each, and answers each with a line: "cycles=N pause_total_ns=N", what its runtime says of its collections.
//
//	spin      work without allocating anything
//	allocate  allocate over a heap of 32 MB, which it keeps alive
//	rounds    "rounds=N", how much it has allocated, without a collection
//	stop      stop the world 1000 times for nothing, and rest then: "ns=N" for one of them
//
// It ends with its standard input.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
)

type node struct {
	next  *node
	bytes [112]byte
}

const (
	spin = iota
	allocate
	rest
)

var (
	work   int32
	kept   [1 << 18]*node
	sink   uint64
	rounds uint64
)

func churn() {
	index := uint32(1)
	for {
		switch atomic.LoadInt32(&work) {
		case rest:
			time.Sleep(time.Millisecond)
			continue
		case spin:
			x := sink
			for i := uint64(0); i < 1<<16; i++ {
				x = x<<13 ^ x>>7 ^ i
			}
			sink = x
			continue
		}
		for i := 0; i < 1024; i++ {
			index = index*1664525 + 1013904223
			kept[index>>14] = &node{}
		}
		atomic.AddUint64(&rounds, 1)
	}
}

// stop returns the nanoseconds that one stop takes.
func stop() int64 {
	const times = 1000
	var stats runtime.MemStats
	start := time.Now()
	for i := 0; i < times; i++ {
		runtime.ReadMemStats(&stats)
	}
	return time.Since(start).Nanoseconds() / times
}

func main() {
	runtime.GC()
	fmt.Printf("ready pid=%d\n", os.Getpid())
	go churn()
	for commands := bufio.NewScanner(os.Stdin); commands.Scan(); {
		switch commands.Text() {
		case "rounds":
			fmt.Printf("rounds=%d\n", atomic.LoadUint64(&rounds))
			continue
		case "stop":
			atomic.StoreInt32(&work, rest)
			fmt.Printf("ns=%d\n", stop())
			continue
		case "allocate":
			debug.SetGCPercent(100)
			atomic.StoreInt32(&work, allocate)
		default:
			debug.SetGCPercent(-1)
			atomic.StoreInt32(&work, spin)
			runtime.GC() // waits for a cycle that is under way
		}
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		fmt.Printf("cycles=%d pause_total_ns=%d\n", stats.NumGC, stats.PauseTotalNs)
	}
}
