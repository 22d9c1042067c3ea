// Writes rows with gocql in unlogged batches of one partition, as often as it is told to.
//
// gocql FILE HOST PORT IN_FLIGHT: the rows are read first, and "ready" is printed; then, for each line of standard input, all
// of them are written, and the seconds from the first row to the last acknowledgement are printed, and the CPU seconds.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/gocql/gocql"
)

const batchRows = 64

type table struct {
	Statement string          `json:"statement"`
	Kinds     []string        `json:"kinds"`
	Partition int             `json:"partition"`
	Rows      [][]interface{} `json:"rows"`
	keys      []string
}

func main() {
	tables := read(os.Args[1])
	session := connect(os.Args[2], os.Args[3])
	defer session.Close()
	inFlight, err := strconv.Atoi(os.Args[4])
	check(err)
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		began, cpu := time.Now(), cpuSeconds()
		write(session, tables, inFlight)
		fmt.Printf("%.6f %.6f\n", time.Since(began).Seconds(), cpuSeconds()-cpu)
	}
}

// One line of JSON a table; values become those that gocql takes for their types.
func read(path string) []table {
	file, err := os.Open(path)
	check(err)
	defer file.Close()
	decoder := json.NewDecoder(bufio.NewReaderSize(file, 1<<20))
	decoder.UseNumber()
	var tables []table
	for decoder.More() {
		var one table
		check(decoder.Decode(&one))
		for _, row := range one.Rows {
			for n := range row {
				row[n] = given(one.Kinds[n], row[n])
			}
			one.keys = append(one.keys, fmt.Sprint(row[:one.Partition]...))
		}
		tables = append(tables, one)
	}
	return tables
}

func given(kind string, value interface{}) interface{} {
	if value == nil {
		return gocql.UnsetValue
	}
	switch kind {
	case "inet":
		return net.ParseIP(value.(string))
	case "uuid":
		id, err := gocql.ParseUUID(value.(string))
		check(err)
		return id
	case "int", "smallint", "bigint", "timestamp":
		number, err := value.(json.Number).Int64()
		check(err)
		return number
	case "date":
		days, err := value.(json.Number).Int64()
		check(err)
		return time.Unix(days*86400, 0).UTC()
	}
	return value
}

func connect(host, port string) *gocql.Session {
	cluster := gocql.NewCluster(host)
	number, err := strconv.Atoi(port)
	check(err)
	cluster.Port, cluster.ProtoVersion, cluster.NumConns = number, 4, 2
	cluster.Consistency, cluster.Timeout = gocql.LocalQuorum, 20*time.Second
	cluster.PoolConfig.HostSelectionPolicy = gocql.TokenAwareHostPolicy(gocql.RoundRobinHostPolicy())
	session, err := cluster.CreateSession()
	check(err)
	return session
}

func write(session *gocql.Session, tables []table, inFlight int) {
	batches, done := make(chan *gocql.Batch), sync.WaitGroup{}
	for n := 0; n < inFlight; n++ {
		done.Add(1)
		go func() {
			defer done.Done()
			for batch := range batches {
				check(session.ExecuteBatch(batch))
			}
		}()
	}
	for _, one := range tables {
		send(session, one, batches)
	}
	close(batches)
	done.Wait()
}

// A full batch leaves at once, the others at the end.
func send(session *gocql.Session, one table, batches chan<- *gocql.Batch) {
	waiting := map[string]*gocql.Batch{}
	for n, row := range one.Rows {
		key := one.keys[n]
		batch := waiting[key]
		if batch == nil {
			batch = session.NewBatch(gocql.UnloggedBatch)
			waiting[key] = batch
		}
		batch.Query(one.Statement, row...)
		if batch.Size() == batchRows {
			delete(waiting, key)
			batches <- batch
		}
	}
	for _, batch := range waiting {
		batches <- batch
	}
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
