;; The Internet checksum's sum (RFC 1071), 64 bytes a turn. `node scripts/build-checksum.ts` makes checksum-wasm.ts of it.
;;
;; Words are added as the machine reads them, low byte first, and only the folded sum is turned round: a ones' complement
;; sum does not care (RFC 1071 section 2 B). A lane takes in two words a turn, at most 131070: 32,768 turns fit 32 bits, so
;; after 16,384 the lanes are emptied into 64 bits.
(module
  (import "arena" "memory" (memory 1))

  ;; The ones' complement sum of `length` bytes at `at`, and of the words in `initial` (any 32 bits), folded to 16 bits.
  (func (export "sum") (param $at i32) (param $length i32) (param $initial i32) (result i32)
    (local $end i32) (local $stop i32) (local $left i32)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local $total i64)
    (local.set $end (i32.add (local.get $at) (local.get $length)))

    (block $blocks-done
      (loop $blocks
        (local.set $left (i32.and (i32.sub (local.get $end) (local.get $at)) (i32.const -64)))
        (br_if $blocks-done (i32.eqz (local.get $left)))
        (if (i32.gt_u (local.get $left) (i32.const 0x100000))
          (then (local.set $left (i32.const 0x100000))))
        (local.set $stop (i32.add (local.get $at) (local.get $left)))
        (local.set $a (v128.const i64x2 0 0))
        (local.set $b (v128.const i64x2 0 0))
        (local.set $c (v128.const i64x2 0 0))
        (local.set $d (v128.const i64x2 0 0))
        (loop $turn
          (local.set $a (i32x4.add (local.get $a)
            (i32x4.extadd_pairwise_i16x8_u (v128.load align=1 (local.get $at)))))
          (local.set $b (i32x4.add (local.get $b)
            (i32x4.extadd_pairwise_i16x8_u (v128.load offset=16 align=1 (local.get $at)))))
          (local.set $c (i32x4.add (local.get $c)
            (i32x4.extadd_pairwise_i16x8_u (v128.load offset=32 align=1 (local.get $at)))))
          (local.set $d (i32x4.add (local.get $d)
            (i32x4.extadd_pairwise_i16x8_u (v128.load offset=48 align=1 (local.get $at)))))
          (br_if $turn (i32.lt_u
            (local.tee $at (i32.add (local.get $at) (i32.const 64)))
            (local.get $stop))))
        (local.set $total (i64.add (local.get $total) (i64.add
          (i64.add (call $lanes (local.get $a)) (call $lanes (local.get $b)))
          (i64.add (call $lanes (local.get $c)) (call $lanes (local.get $d))))))
        (br $blocks)))

    (local.set $left (i32.sub (local.get $end) (local.get $at)))
    (block $fours-done
      (loop $fours
        (br_if $fours-done (i32.lt_u (local.get $left) (i32.const 4)))
        (local.set $total (i64.add (local.get $total) (i64.load32_u align=1 (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (local.set $left (i32.sub (local.get $left) (i32.const 4)))
        (br $fours)))
    (if (i32.and (local.get $left) (i32.const 2))
      (then
        (local.set $total (i64.add (local.get $total) (i64.load16_u align=1 (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 2)))))
    (if (i32.and (local.get $left) (i32.const 1))
      (then (local.set $total (i64.add (local.get $total) (i64.load8_u (local.get $at))))))

    (call $fold (i64.add
      (i64.extend_i32_u (call $swap (call $fold (local.get $total))))
      (i64.extend_i32_u (local.get $initial)))))

  ;; The sum of four lanes.
  (func $lanes (param $v v128) (result i64)
    (local.set $v (i64x2.add
      (i64x2.extend_low_i32x4_u (local.get $v))
      (i64x2.extend_high_i32x4_u (local.get $v))))
    (i64.add (i64x2.extract_lane 0 (local.get $v)) (i64x2.extract_lane 1 (local.get $v))))

  ;; 64 bits to 16, each carry put back in at the bottom.
  (func $fold (param $sum i64) (result i32)
    (local $word i32)
    (local.set $sum (i64.add
      (i64.and (local.get $sum) (i64.const 0xffffffff))
      (i64.shr_u (local.get $sum) (i64.const 32))))
    (local.set $word (i32.wrap_i64 (i64.add
      (i64.and (local.get $sum) (i64.const 0xffff))
      (i64.shr_u (local.get $sum) (i64.const 16)))))
    (local.set $word (i32.add
      (i32.and (local.get $word) (i32.const 0xffff))
      (i32.shr_u (local.get $word) (i32.const 16))))
    (i32.add
      (i32.and (local.get $word) (i32.const 0xffff))
      (i32.shr_u (local.get $word) (i32.const 16))))

  ;; The two bytes of a word changed over.
  (func $swap (param $word i32) (result i32)
    (i32.or
      (i32.and (i32.shl (local.get $word) (i32.const 8)) (i32.const 0xff00))
      (i32.shr_u (local.get $word) (i32.const 8)))))
