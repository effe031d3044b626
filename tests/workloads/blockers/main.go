// Blockers is a Go program whose goroutines give up the CPU all the time, each kind at one known place.
//
//	blockers channel|mutex|timer|select|network|yield
//	blockers stack      goroutines whose stacks grow
//	blockers idle       little work, nearly all of it in the scheduler
//	blockers calm       hardly any work, and a collection now and then
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"runtime"
	"sync"
	"time"
)

//go:noinline
func waitOnChannel(in <-chan int, out chan<- int) {
	for v := range in {
		out <- v + 1
	}
}

//go:noinline
func waitOnMutex(mutexes *[2]sync.Mutex) {
	// Two goroutines hand the two locks to each other, so that each Lock has to wait.
	for i := 0; ; i++ {
		mutexes[i&1].Lock()
		runtime.Gosched()
		mutexes[i&1].Unlock()
	}
}

//go:noinline
func waitOnTimer(pause time.Duration) {
	for {
		time.Sleep(pause)
	}
}

//go:noinline
func waitOnSelect(in <-chan int, out chan<- int, never <-chan bool) {
	for {
		select {
		case v := <-in:
			select {
			case out <- v + 1:
			case <-never:
				return
			}
		case <-never:
			return
		}
	}
}

//go:noinline
func waitOnNetwork(connection net.Conn) {
	buffer := make([]byte, 1)
	for {
		if _, err := io.ReadFull(connection, buffer); err != nil {
			log.Fatal(err)
		}
		if _, err := connection.Write(buffer); err != nil {
			log.Fatal(err)
		}
	}
}

//go:noinline
func yield() {
	for {
		runtime.Gosched()
	}
}

//go:noinline
func growStack(depth int) int {
	var room [128]int
	room[depth%len(room)] = depth
	if depth == 0 {
		return room[0]
	}
	return growStack(depth-1) + room[depth%len(room)]
}

//go:noinline
func growInGoroutine(done chan<- int) {
	done <- growStack(40)
}

func connect() (net.Conn, net.Conn) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	server, err := listener.Accept()
	if err != nil {
		log.Fatal(err)
	}
	return client, server
}

func main() {
	switch os.Args[1] {
	case "channel":
		for i := 0; i < 4; i++ {
			a, b := make(chan int), make(chan int)
			go waitOnChannel(a, b)
			go waitOnChannel(b, a)
			a <- 0
		}
	case "mutex":
		mutexes := new([2]sync.Mutex)
		for i := 0; i < 4; i++ {
			go waitOnMutex(mutexes)
		}
	case "timer":
		for i := 0; i < 500; i++ {
			go waitOnTimer(10 * time.Microsecond)
		}
	case "idle":
		go waitOnTimer(500 * time.Microsecond)
	case "calm":
		go waitOnTimer(50 * time.Millisecond)
		go func() {
			for ; ; time.Sleep(5 * time.Second) {
				runtime.GC()
			}
		}()
	case "select":
		for i := 0; i < 4; i++ {
			a, b := make(chan int), make(chan int)
			go waitOnSelect(a, b, nil)
			go waitOnSelect(b, a, nil)
			a <- 0
		}
	case "network":
		for i := 0; i < 4; i++ {
			client, server := connect()
			go waitOnNetwork(client)
			go waitOnNetwork(server)
			client.Write([]byte{1})
		}
	case "stack":
		go func() {
			for done := make(chan int); ; <-done {
				go growInGoroutine(done)
			}
		}()
	case "yield":
		for i := 0; i < 4; i++ {
			go yield()
		}
	default:
		log.Fatalf("no kind %q", os.Args[1])
	}
	fmt.Printf("ready pid=%d\n", os.Getpid())
	io.Copy(io.Discard, os.Stdin)
}
