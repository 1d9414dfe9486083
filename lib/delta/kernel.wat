;; The hot loops of the Rabin-Karp sum: see kernel.ts for what they mean and
;; docs/DELTA.md for how kernel_wasm.ts is made from this file.
(module
  (memory (export "memory") 1)

  ;; Rolls the window, whose sum lies at $state, from $at on, up to $last + 1, until the filter knows its sum.
  (func (export "seek")
    (param $at i32) (param $last i32) (param $width i32)
    (param $filter i32) (param $shift i32) (param $leaving i32)
    (param $state i32)
    (result i32)
    (local $s i32) (local $word i32) (local $mixed i32)
    (local.set $s (i32.load (local.get $state)))
    (block $found
      (loop $next
        (br_if $found (i32.gt_s (local.get $at) (local.get $last)))
        (block $miss
          (local.set $word
            (i32.load
              (i32.add
                (local.get $filter)
                (i32.shl
                  (i32.shr_u (local.get $s) (local.get $shift))
                  (i32.const 2)))))
          (br_if $miss
            (i32.eqz
              (i32.and
                (i32.and
                  (i32.shr_u (local.get $word) (local.get $s))
                  (i32.shr_u
                    (local.get $word)
                    (i32.shr_u (local.get $s) (i32.const 5))))
                (i32.const 1))))
          (local.set $mixed
            (i32.mul (local.get $s) (i32.const 0x9e3779b1)))
          (br_if $found
            (i32.and
              (i32.shr_u
                (i32.load
                  (i32.add
                    (local.get $filter)
                    (i32.shl
                      (i32.shr_u (local.get $mixed) (local.get $shift))
                      (i32.const 2))))
                (local.get $mixed))
              (i32.const 1))))
        (local.set $s
          (i32.add
            (i32.mul (local.get $s) (i32.const 0x08104225))
            (i32.sub
              (i32.load8_u (i32.add (local.get $at) (local.get $width)))
              (i32.load
                (i32.add
                  (local.get $leaving)
                  (i32.shl (i32.load8_u (local.get $at)) (i32.const 2)))))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (i32.store (local.get $state) (local.get $s))
    (local.get $at))

  ;; Continues the sum $s over the bytes from $at up to $end: 16 bytes at a step
  ;; in 16 lanes, each of them the sum of every 16th byte.
  (func (export "weak") (param $at i32) (param $end i32) (param $s i32)
    (result i32)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local $bytes v128) (local $half v128) (local $step v128)
    (if (i32.le_u (i32.add (local.get $at) (i32.const 16)) (local.get $end))
      (then
        ;; The sum so far stands where a byte before the first would.
        (local.set $d
          (i32x4.replace_lane 3 (local.get $d) (local.get $s)))
        (local.set $step ;; M^16
          (v128.const i32x4 0x0bb409c1 0x0bb409c1 0x0bb409c1 0x0bb409c1))
        (loop $next
          (local.set $bytes (v128.load align=1 (local.get $at)))
          (local.set $half (i16x8.extend_low_i8x16_u (local.get $bytes)))
          (local.set $a
            (i32x4.add
              (i32x4.mul (local.get $a) (local.get $step))
              (i32x4.extend_low_i16x8_u (local.get $half))))
          (local.set $b
            (i32x4.add
              (i32x4.mul (local.get $b) (local.get $step))
              (i32x4.extend_high_i16x8_u (local.get $half))))
          (local.set $half (i16x8.extend_high_i8x16_u (local.get $bytes)))
          (local.set $c
            (i32x4.add
              (i32x4.mul (local.get $c) (local.get $step))
              (i32x4.extend_low_i16x8_u (local.get $half))))
          (local.set $d
            (i32x4.add
              (i32x4.mul (local.get $d) (local.get $step))
              (i32x4.extend_high_i16x8_u (local.get $half))))
          (local.set $at (i32.add (local.get $at) (i32.const 16)))
          (br_if $next
            (i32.le_u
              (i32.add (local.get $at) (i32.const 16))
              (local.get $end))))
        ;; Fold the lanes: a M^12 + b M^8 + c M^4 + d, then lane by lane.
        (local.set $step ;; M^4
          (v128.const i32x4 0xf9c080f1 0xf9c080f1 0xf9c080f1 0xf9c080f1))
        (local.set $a
          (i32x4.add
            (i32x4.mul (local.get $a) (local.get $step))
            (local.get $b)))
        (local.set $a
          (i32x4.add
            (i32x4.mul (local.get $a) (local.get $step))
            (local.get $c)))
        (local.set $a
          (i32x4.add
            (i32x4.mul (local.get $a) (local.get $step))
            (local.get $d)))
        (local.set $s (i32x4.extract_lane 0 (local.get $a)))
        (local.set $s
          (i32.add
            (i32.mul (local.get $s) (i32.const 0x08104225))
            (i32x4.extract_lane 1 (local.get $a))))
        (local.set $s
          (i32.add
            (i32.mul (local.get $s) (i32.const 0x08104225))
            (i32x4.extract_lane 2 (local.get $a))))
        (local.set $s
          (i32.add
            (i32.mul (local.get $s) (i32.const 0x08104225))
            (i32x4.extract_lane 3 (local.get $a))))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $s
          (i32.add
            (i32.mul (local.get $s) (i32.const 0x08104225))
            (i32.load8_u (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (local.get $s)))
