// Waiters is a Go program whose profiles other than of CPU are known: 25 goroutines wait for ever, 8 MiB are
// kept, two goroutines fight for a mutex, and 1 MiB is allocated every 10 ms.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime"
	"sync"
	"time"
)

var (
	kept  []byte
	sink  []byte
	mutex sync.Mutex
)

//go:noinline
func waitForEver(never <-chan bool) { <-never }

//go:noinline
func keep() { kept = make([]byte, 8<<20) }

//go:noinline
func allocate() { sink = make([]byte, 1<<20) }

//go:noinline
func contend() {
	for {
		mutex.Lock()
		time.Sleep(time.Millisecond)
		mutex.Unlock()
	}
}

func main() {
	runtime.MemProfileRate = 4096
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	keep()
	never := make(chan bool)
	for i := 0; i < 25; i++ {
		go waitForEver(never)
	}
	go contend()
	go contend()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go http.Serve(listener, nil)
	fmt.Printf("ready pid=%d url=http://%s\n", os.Getpid(), listener.Addr())
	for {
		allocate()
		time.Sleep(10 * time.Millisecond)
	}
}
