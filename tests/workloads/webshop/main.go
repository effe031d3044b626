// Webshop is a web service whose handlers cost what is known: of the time that it works, checkout takes
// 50 %, search 30 % and report 20 %. It is its own client, serves net/http/pprof on localhost only, and
// measures what each handler really used by the CPU clock of its thread (GET /truth).
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const clockThreadCPU = 3 // CLOCK_THREAD_CPUTIME_ID of clock_gettime(2)

// threadCPU is the CPU time of the calling thread. The goroutine must be locked to it.
func threadCPU() time.Duration {
	var ts syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockThreadCPU, uintptr(unsafe.Pointer(&ts)), 0)
	return time.Duration(ts.Nano())
}

// A unit of work: its share of the whole, and the CPU time that it has taken, in nanoseconds.
type unit struct {
	cost  time.Duration
	spent int64
}

var (
	checkout = unit{cost: 25 * time.Millisecond}
	search   = unit{cost: 15 * time.Millisecond}
	report   = unit{cost: 10 * time.Millisecond}
	sink     uint64
)

// mix is small enough to be inlined, so that profiles show inlined calls.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	return x ^ x>>29
}

//go:noinline
func hashCart(rounds int) uint64 {
	x := uint64(rounds)
	for i := 0; i < rounds; i++ {
		x = mix(x + uint64(i))
	}
	return x
}

//go:noinline
func rankResults(rounds int) uint64 {
	scores := [64]uint64{}
	for i := 0; i < rounds; i++ {
		scores[i&63] += mix(uint64(i)) & 0xff
	}
	return scores[7]
}

//go:noinline
func renderReport(rounds int) uint64 {
	var cells [128]byte
	for i := 0; i < rounds; i++ {
		cells[i&127] = byte('a' + i%26)
	}
	return uint64(cells[5])
}

// handler burns u.cost of CPU time in `work` and books what it used. The clock is read every few
// microseconds of work, so /truth is right to well under a millisecond at any time.
func handler(u *unit, work func(int) uint64) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		start := threadCPU()
		booked := start
		for booked-start < u.cost {
			atomic.AddUint64(&sink, work(20000))
			now := threadCPU()
			atomic.AddInt64(&u.spent, int64(now-booked))
			booked = now
		}
		fmt.Fprintln(w, "ok")
	}
}

func serveTruth(w http.ResponseWriter, _ *http.Request) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	json.NewEncoder(w).Encode(map[string]int64{
		"main.hashCart":     atomic.LoadInt64(&checkout.spent),
		"main.rankResults":  atomic.LoadInt64(&search.spent),
		"main.renderReport": atomic.LoadInt64(&report.spent),
		"total":             usage.Utime.Nano() + usage.Stime.Nano(),
	})
}

// get calls one handler of our own and throws the answer away.
func get(client *http.Client, url string) {
	response, err := client.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	io.Copy(io.Discard, response.Body)
	response.Body.Close()
}

// visit calls the handlers in turn, idle so long that the service works `busy` of one core.
func visit(base string, busy float64) {
	client := &http.Client{}
	round := checkout.cost + search.cost + report.cost
	for {
		start := time.Now()
		for _, path := range []string{"/checkout", "/search", "/report"} {
			get(client, base+path)
		}
		pause := time.Duration(float64(round)/busy) - time.Since(start)
		if pause > 0 {
			time.Sleep(pause)
		}
	}
}

func main() {
	address := flag.String("address", "127.0.0.1:0", "where to listen; pprof is served there too")
	busy := flag.Float64("busy", 0.5, "CPU to use, in cores per visitor")
	visitors := flag.Int("visitors", 1, "clients at once")
	flag.Parse()

	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/checkout", handler(&checkout, hashCart))
	http.HandleFunc("/search", handler(&search, rankResults))
	http.HandleFunc("/report", handler(&report, renderReport))
	http.HandleFunc("/truth", serveTruth)
	base := "http://" + listener.Addr().String()
	fmt.Printf("ready pid=%d url=%s\n", os.Getpid(), base)
	for i := 0; i < *visitors; i++ {
		go visit(base, *busy)
	}
	log.Fatal(http.Serve(listener, nil))
}
