// Processing elements of the two ways to build an array, for mapping (benchmarks/elements.py). Resources only: timing and
// values are the business of the leaf RTL.
//
// element_1d, element_2d: an element as a process of its own, as Vitis HLS builds one: a start and a done state, a loop of
// an int bound, one FIFO read and write a side, the result captured at the end of the loop and written word by word.
// row: a row of elements in one process; sums leave through a chain of registers.

// Two weights packed `F` bits apart: the upper one less the borrow of a negative lower one.
module pack_pair #(parameter B = 4, F = 21) (input [2*B-1:0] w, output signed [F+B:0] packed_pair);
  wire signed [B:0] high = w[B-1] ? $signed(w[2*B-1:B]) - 1 : $signed(w[2*B-1:B]);
  assign packed_pair = $signed({high, {(F-B){w[B-1]}}, w[B-1:0]});
endmodule

// B-bit weights, one activation, two products a cycle. PACKED: both sums in one DSP accumulator.
module element_1d #(parameter B = 4, ACC = 21, PACKED = 1, F = PACKED ? ACC : 2*B) (
    input clk, rst, start, input [31:0] bound, output reg done,
    input [B-1:0] a, input a_empty_n, output a_read, output [B-1:0] a_next, input a_full_n,
    input [2*B-1:0] w, input w_empty_n, output w_read,
    output reg [ACC-1:0] c, output reg c_write, input c_full_n);
  reg [31:0] k, last;
  reg [1:0] state;
  reg v1, v2;
  wire go = state == 1 & a_empty_n & w_empty_n & a_full_n & k < last;
  assign a_read = go, w_read = go, a_next = a;
  reg signed [F+B:0] pair;
  wire signed [F+B:0] packed_pair;
  pack_pair #(.B(B), .F(F)) pack (w, packed_pair);
  reg signed [B:0] x;
  reg signed [2*F-1:0] product;
  reg signed [ACC-1:0] low, high;
  reg signed [2*ACC-1:0] sums;
  always @(posedge clk) begin
    pair <= packed_pair; x <= $signed({1'b0, a}); v1 <= go; product <= pair * x; v2 <= v1;
  end
  generate if (PACKED) begin
    reg signed [2*ACC-1:0] acc;
    always @(posedge clk) begin
      if (state == 0) acc <= 0; else if (v2) acc <= acc + product;
      if (state == 1) sums <= acc;
    end
    always @* begin low = sums[ACC-1:0]; high = sums[2*ACC-1:ACC] + low[ACC-1]; end
  end else begin
    wire signed [F-1:0] p0 = product[F-1:0], p1 = product[2*F-1:F] + p0[F-1];
    always @(posedge clk) if (state == 0) begin low <= 0; high <= 0; end else if (v2) begin
      low <= low + p0; high <= high + p1;
    end
  end endgenerate
  always @(posedge clk) begin
    c_write <= 0;
    if (rst) begin state <= 0; k <= 0; end else case (state)
      0: if (start) begin state <= 1; k <= 0; last <= bound; end
      1: begin if (go) k <= k + 1; if (k >= last & ~v1 & ~v2) state <= 2; end
      2: if (c_full_n) begin c <= low; c_write <= 1; state <= 3; end
      3: if (c_full_n) begin c <= high; c_write <= 1; state <= 0; end
    endcase
    done <= state == 3 & c_full_n;
  end
endmodule

// Two weights and two activations, four products a cycle.
module element_2d #(parameter B = 4, ACC = 19, PACKED = 1, F = PACKED ? ACC : 2*B) (
    input clk, rst, start, input [31:0] bound, output reg done,
    input [2*B-1:0] a, input a_empty_n, output a_read, output [2*B-1:0] a_next, input a_full_n,
    input [2*B-1:0] w, input w_empty_n, output w_read, output [2*B-1:0] w_next, input w_full_n,
    output reg [2*ACC-1:0] c, output reg c_write, input c_full_n);
  reg [31:0] k, last;
  reg [1:0] state;
  reg v1, v2;
  wire go = state == 1 & a_empty_n & w_empty_n & a_full_n & w_full_n & k < last;
  assign a_read = go, w_read = go, a_next = a, w_next = w;
  reg signed [F+B:0] pair;
  wire signed [F+B:0] packed_pair;
  pack_pair #(.B(B), .F(F)) pack (w, packed_pair);
  reg signed [B:0] x0, x1;
  reg signed [2*F-1:0] m, n;
  reg signed [ACC-1:0] c00, c01, c10, c11;
  always @(posedge clk) begin
    pair <= packed_pair; x0 <= $signed({1'b0, a[B-1:0]}); x1 <= $signed({1'b0, a[2*B-1:B]}); v1 <= go;
    m <= pair * x0; n <= pair * x1; v2 <= v1;
  end
  generate if (PACKED) begin
    reg signed [2*ACC-1:0] acc0, acc1, s0, s1;
    always @(posedge clk) begin
      if (state == 0) acc0 <= 0; else if (v2) acc0 <= acc0 + m;
      if (state == 0) acc1 <= 0; else if (v2) acc1 <= acc1 + n;
      if (state == 1) begin s0 <= acc0; s1 <= acc1; end
    end
    always @* begin
      c00 = s0[ACC-1:0]; c01 = s0[2*ACC-1:ACC] + c00[ACC-1]; c10 = s1[ACC-1:0]; c11 = s1[2*ACC-1:ACC] + c10[ACC-1];
    end
  end else begin
    wire signed [F-1:0] p0 = m[F-1:0], p1 = m[2*F-1:F] + p0[F-1], q0 = n[F-1:0], q1 = n[2*F-1:F] + q0[F-1];
    always @(posedge clk) if (state == 0) begin c00 <= 0; c01 <= 0; c10 <= 0; c11 <= 0; end else if (v2) begin
      c00 <= c00 + p0; c01 <= c01 + p1; c10 <= c10 + q0; c11 <= c11 + q1;
    end
  end endgenerate
  always @(posedge clk) begin
    c_write <= 0;
    if (rst) begin state <= 0; k <= 0; end else case (state)
      0: if (start) begin state <= 1; k <= 0; last <= bound; end
      1: begin if (go) k <= k + 1; if (k >= last & ~v1 & ~v2) state <= 2; end
      2: if (c_full_n) begin c <= {c10, c00}; c_write <= 1; state <= 3; end
      3: if (c_full_n) begin c <= {c11, c01}; c_write <= 1; state <= 0; end
    endcase
    done <= state == 3 & c_full_n;
  end
endmodule

// N elements of one activation side by side. KIND 0: dsp1, 1: dsp2 packed, 2: dsp2 split, 3: lut.
module row #(parameter N = 16, B = 4, ACC = 21, KIND = 1) (
    input clk, input [N*B-1:0] w, input [B-1:0] x, input valid, first, last, output [ACC-1:0] c);
  localparam F = KIND == 1 ? ACC : 2*B;
  reg v1, v2, f1, f2, load;
  reg signed [B:0] x1;
  always @(posedge clk) begin
    v1 <= valid; v2 <= v1; f1 <= first; f2 <= f1; load <= last; x1 <= $signed({1'b0, x});
  end
  wire [ACC*(N+1)-1:0] chain;
  assign chain[ACC*(N+1)-1:ACC*N] = 0;
  assign c = chain[ACC-1:0];
  genvar i;
  generate for (i = 0; i < N; i = i + 2) begin : pair
    wire signed [ACC-1:0] c0, c1;
    if (KIND == 0 || KIND == 3) begin
      reg signed [B-1:0] w0, w1;
      (* use_dsp = KIND == 0 ? "yes" : "no" *) reg signed [2*B:0] m0, m1;
      reg signed [ACC-1:0] s0, s1;
      always @(posedge clk) begin
        w0 <= w[i*B +: B]; w1 <= w[(i+1)*B +: B]; m0 <= w0 * x1; m1 <= w1 * x1;
        if (f2) begin s0 <= 0; s1 <= 0; end else if (v2) begin s0 <= s0 + m0; s1 <= s1 + m1; end
      end
      assign c0 = s0, c1 = s1;
    end else begin
      reg signed [F+B:0] p;
      wire signed [F+B:0] packed_pair;
      pack_pair #(.B(B), .F(F)) pack (w[i*B +: 2*B], packed_pair);
      reg signed [2*F-1:0] m;
      always @(posedge clk) begin p <= packed_pair; m <= p * x1; end
      if (KIND == 1) begin
        reg signed [2*ACC-1:0] acc;
        always @(posedge clk) if (f2) acc <= 0; else if (v2) acc <= acc + m;
        assign c0 = acc[ACC-1:0], c1 = acc[2*ACC-1:ACC] + c0[ACC-1];
      end else begin
        wire signed [F-1:0] p0 = m[F-1:0], p1 = m[2*F-1:F] + p0[F-1];
        reg signed [ACC-1:0] s0, s1;
        always @(posedge clk) if (f2) begin s0 <= 0; s1 <= 0; end else if (v2) begin s0 <= s0 + p0; s1 <= s1 + p1; end
        assign c0 = s0, c1 = s1;
      end
    end
    reg [ACC-1:0] d0, d1;
    always @(posedge clk) begin
      d0 <= load ? c0 : chain[ACC*(i+1) +: ACC]; d1 <= load ? c1 : chain[ACC*(i+2) +: ACC];
    end
    assign chain[ACC*i +: ACC] = d0, chain[ACC*(i+1) +: ACC] = d1;
  end endgenerate
endmodule
