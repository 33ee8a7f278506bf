#!/usr/bin/env bats
# sabotage.bats - the outage story's own check is checked: on a disk whose
# fsync does nothing it must turn red, and on an honest one stay green (I-1).

@test "a disk that lies about fsync is found out" {
    run tsunagi demo --lang en play outage --sabotage fsync
    echo "$output"
    [ "$status" -eq 0 ]
}
