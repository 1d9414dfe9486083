;; The hot loops of the Rabin-Karp sum. kernel.ts describes the exported
;; functions, and docs/DELTA.md describes how kernel_wasm.ts is made from this
;; file. The multiplier M of the sum is 0x08104225. When a byte leaves a window
;; that is w bytes wide, the product of M^w and (byte + M - 1) is subtracted from
;; the sum. The parameter $power is M^w.
(module
  (memory (export "memory") 1)

  ;; Rolls the window from $at to the first address whose sum passes the filter,
  ;; or to $last + 1. The sum is read from and written to the address $state.
  (func (export "seek")
    (param $at i32) (param $last i32) (param $width i32) (param $power i32)
    (param $filter i32) (param $mask i32) (param $state i32)
    (result i32)
    (local $s i32) (local $bits i32)
    (local.set $s (i32.load (local.get $state)))
    (block $found
      (loop $next
        (br_if $found (i32.gt_s (local.get $at) (local.get $last)))
        (local.set $bits
          (i32.load
            (i32.shl
              (i32.shr_u (local.get $s) (i32.const 20))
              (i32.const 2))))
        (br_if $found
          (i32.eq
            (i32.and
              (i32.load
                (i32.add
                  (local.get $filter)
                  (i32.and (local.get $s) (local.get $mask))))
              (local.get $bits))
            (local.get $bits)))
        (local.set $s
          (i32.add
            (i32.mul (local.get $s) (i32.const 0x08104225))
            (i32.sub
              (i32.load8_u (i32.add (local.get $at) (local.get $width)))
              (i32.mul
                (i32.add
                  (i32.load8_u (local.get $at))
                  (i32.const 0x08104224))
                (local.get $power)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (i32.store (local.get $state) (local.get $s))
    (local.get $at))

  ;; Adds the address of a window and its sum to a list. A list starts with its
  ;; length in bytes and is full at 8,184.
  (func $enter (param $list i32) (param $at i32) (param $s i32)
    (local $length i32)
    (local.set $length (i32.load (local.get $list)))
    (if (i32.gt_u (local.get $length) (i32.const 8176)) (then (return)))
    (i32.store (local.get $list)
      (i32.add (local.get $length) (i32.const 8)))
    (local.set $list (i32.add (local.get $list) (local.get $length)))
    (i32.store offset=8 (local.get $list) (local.get $at))
    (i32.store offset=12 (local.get $list) (local.get $s)))

  ;; Rolls four windows at the same time, each over $stride addresses, a
  ;; multiple of 4. The first starts at $at, and each of the others where the
  ;; previous one ends. Windows that pass the filter are added to four lists of
  ;; 8,192 bytes each, which start at $lists.
  (func (export "scan")
    (param $at i32) (param $stride i32) (param $width i32) (param $power i32)
    (param $filter i32) (param $mask i32) (param $lists i32)
    (local $b i32) (local $c i32) (local $d i32) (local $end i32)
    (local $step i32) (local $x i64) (local $y i64)
    (local $s v128) (local $powers v128) (local $masks v128)
    (local $leaving v128) (local $entering v128)
    (local $words v128) (local $bits v128)
    (local.set $end (i32.add (local.get $at) (local.get $stride)))
    (local.set $b (local.get $stride))
    (local.set $c (i32.shl (local.get $stride) (i32.const 1)))
    (local.set $d (i32.add (local.get $b) (local.get $c)))
    (local.set $powers (i32x4.splat (local.get $power)))
    (local.set $masks (i32x4.splat (local.get $mask)))
    (local.set $step (local.get $at))
    (local.set $s
      (i32x4.replace_lane 0 (local.get $s)
        (call $weak
          (local.get $step)
          (i32.add (local.get $step) (local.get $width))
          (i32.const 1))))
    (local.set $step (i32.add (local.get $at) (local.get $b)))
    (local.set $s
      (i32x4.replace_lane 1 (local.get $s)
        (call $weak
          (local.get $step)
          (i32.add (local.get $step) (local.get $width))
          (i32.const 1))))
    (local.set $step (i32.add (local.get $at) (local.get $c)))
    (local.set $s
      (i32x4.replace_lane 2 (local.get $s)
        (call $weak
          (local.get $step)
          (i32.add (local.get $step) (local.get $width))
          (i32.const 1))))
    (local.set $step (i32.add (local.get $at) (local.get $d)))
    (local.set $s
      (i32x4.replace_lane 3 (local.get $s)
        (call $weak
          (local.get $step)
          (i32.add (local.get $step) (local.get $width))
          (i32.const 1))))
    (loop $next
      ;; Load the next four bytes that leave and enter each window.
      (local.set $step (local.get $at))
      (local.set $leaving (v128.load32_zero (local.get $step)))
      (local.set $leaving
        (v128.load32_lane 1
          (i32.add (local.get $step) (local.get $b))
          (local.get $leaving)))
      (local.set $leaving
        (v128.load32_lane 2
          (i32.add (local.get $step) (local.get $c))
          (local.get $leaving)))
      (local.set $leaving
        (v128.load32_lane 3
          (i32.add (local.get $step) (local.get $d))
          (local.get $leaving)))
      (local.set $step (i32.add (local.get $at) (local.get $width)))
      (local.set $entering (v128.load32_zero (local.get $step)))
      (local.set $entering
        (v128.load32_lane 1
          (i32.add (local.get $step) (local.get $b))
          (local.get $entering)))
      (local.set $entering
        (v128.load32_lane 2
          (i32.add (local.get $step) (local.get $c))
          (local.get $entering)))
      (local.set $entering
        (v128.load32_lane 3
          (i32.add (local.get $step) (local.get $d))
          (local.get $entering)))
      (local.set $step (i32.add (local.get $at) (i32.const 4)))
      (loop $place
        ;; The words of the filter that the sums select.
        (local.set $bits (v128.and (local.get $s) (local.get $masks)))
        (local.set $x (i64x2.extract_lane 0 (local.get $bits)))
        (local.set $y (i64x2.extract_lane 1 (local.get $bits)))
        (local.set $words
          (v128.load32_zero
            (i32.add (local.get $filter) (i32.wrap_i64 (local.get $x)))))
        (local.set $words
          (v128.load32_lane 1
            (i32.add
              (local.get $filter)
              (i32.wrap_i64 (i64.shr_u (local.get $x) (i64.const 32))))
            (local.get $words)))
        (local.set $words
          (v128.load32_lane 2
            (i32.add (local.get $filter) (i32.wrap_i64 (local.get $y)))
            (local.get $words)))
        (local.set $words
          (v128.load32_lane 3
            (i32.add
              (local.get $filter)
              (i32.wrap_i64 (i64.shr_u (local.get $y) (i64.const 32))))
            (local.get $words)))
        ;; The bits that must be set in the words, one in each byte.
        (local.set $bits
          (i8x16.swizzle
            (v128.const i8x16 1 2 4 8 16 32 64 128 0 0 0 0 0 0 0 0)
            (v128.and
              (i32x4.mul
                (i32x4.shr_u (local.get $s) (i32.const 20))
                (v128.const i32x4 0x8421 0x8421 0x8421 0x8421))
              (v128.const i32x4 0x07070707 0x07070707 0x07070707 0x07070707))))
        (local.set $bits
          (i32x4.eq
            (v128.and (local.get $words) (local.get $bits))
            (local.get $bits)))
        (if (v128.any_true (local.get $bits))
          (then
            (if (i32x4.extract_lane 0 (local.get $bits))
              (then
                (call $enter
                  (local.get $lists)
                  (local.get $at)
                  (i32x4.extract_lane 0 (local.get $s)))))
            (if (i32x4.extract_lane 1 (local.get $bits))
              (then
                (call $enter
                  (i32.add (local.get $lists) (i32.const 8192))
                  (i32.add (local.get $at) (local.get $b))
                  (i32x4.extract_lane 1 (local.get $s)))))
            (if (i32x4.extract_lane 2 (local.get $bits))
              (then
                (call $enter
                  (i32.add (local.get $lists) (i32.const 16384))
                  (i32.add (local.get $at) (local.get $c))
                  (i32x4.extract_lane 2 (local.get $s)))))
            (if (i32x4.extract_lane 3 (local.get $bits))
              (then
                (call $enter
                  (i32.add (local.get $lists) (i32.const 24576))
                  (i32.add (local.get $at) (local.get $d))
                  (i32x4.extract_lane 3 (local.get $s)))))))
        (local.set $s
          (i32x4.add
            (i32x4.mul
              (local.get $s)
              (v128.const i32x4 0x08104225 0x08104225 0x08104225 0x08104225))
            (i32x4.sub
              (v128.and
                (local.get $entering)
                (v128.const i32x4 255 255 255 255))
              (i32x4.mul
                (i32x4.add
                  (v128.and
                    (local.get $leaving)
                    (v128.const i32x4 255 255 255 255))
                  (v128.const i32x4
                    0x08104224 0x08104224 0x08104224 0x08104224))
                (local.get $powers)))))
        (local.set $entering
          (i32x4.shr_u (local.get $entering) (i32.const 8)))
        (local.set $leaving (i32x4.shr_u (local.get $leaving) (i32.const 8)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $place (i32.lt_u (local.get $at) (local.get $step))))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end)))))

  ;; Continues the sum $s over the bytes from $at up to $end: 16 bytes at a time
  ;; in 16 lanes, each of which sums every 16th byte.
  (func $weak (export "weak") (param $at i32) (param $end i32) (param $s i32)
    (result i32)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local $bytes v128) (local $half v128) (local $step v128)
    (if (i32.le_u (i32.add (local.get $at) (i32.const 16)) (local.get $end))
      (then
        ;; The sum so far is in the lane of the byte before the first one.
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
