// One DSP48E2: p <= (accumulate ? p : 0) + (a + d) * b, all registers of the slice in use (UG579, chapter 2).
//
// ACCUMULATE 0: p <= (a + d) * b. PREADD 0: d is ignored and the pre-adder's register left out.
// Latency: 3 cycles (A, M, P), 4 with the pre-adder; `accumulate` belongs to the operands of 1 cycle before, 2 with the
// pre-adder: whoever has many slices delays it once for all. `enable` 0 holds everything, as a stalled HLS pipeline does.
// V80: a DSP58 in its DSP48E2 mode has the same ports (AM004); its count is the same.
module dsp_multiply_accumulate #(
    parameter int A_BITS = 27,
    parameter int B_BITS = 18,
    parameter int P_BITS = 48,
    parameter bit PREADD = 0,
    parameter bit ACCUMULATE = 1
) (
    input  logic              clk,
    input  logic              enable,
    input  logic              accumulate,
    input  logic [A_BITS-1:0] a,  // signed, as are d, b, p
    input  logic [A_BITS-1:0] d,
    input  logic [B_BITS-1:0] b,
    output logic [P_BITS-1:0] p
);
  // W 0; Z: P while accumulating, else 0; Y and X: the product.
  wire [8:0] opmode = {3'b000, ACCUMULATE & accumulate, 5'b00101};

  wire [29:0] wide_a = {{(30 - A_BITS) {a[A_BITS-1]}}, a};
  wire [26:0] wide_d = {{(27 - A_BITS) {d[A_BITS-1]}}, d};
  wire [17:0] wide_b = {{(18 - B_BITS) {b[B_BITS-1]}}, b};
  wire [47:0] wide_p;
  assign p = wide_p[P_BITS-1:0];

  DSP48E2 #(
      .AMULTSEL(PREADD ? "AD" : "A"),
      .AREG(1),
      .ACASCREG(1),
      .BREG(PREADD ? 2 : 1),
      .BCASCREG(PREADD ? 2 : 1),
      .DREG(1),
      .ADREG(1),
      .MREG(1),
      .PREG(1),
      .OPMODEREG(1),
      .INMODEREG(0),
      .USE_MULT("MULTIPLY")
  ) slice (
      .CLK(clk),
      .A(wide_a),
      .B(wide_b),
      .C(48'd0),
      .D(wide_d),
      .CARRYIN(1'b0),
      .CARRYINSEL(3'd0),
      .ALUMODE(4'd0),
      .INMODE(PREADD ? 5'b00100 : 5'b00000),
      .OPMODE(opmode),
      .CEA1(enable), .CEA2(enable), .CEB1(enable), .CEB2(enable), .CEC(1'b0), .CED(enable), .CEAD(enable),
      .CEM(enable), .CEP(enable), .CECTRL(enable), .CEALUMODE(1'b0), .CECARRYIN(1'b0), .CEINMODE(1'b0),
      .RSTA(1'b0), .RSTB(1'b0), .RSTC(1'b0), .RSTD(1'b0), .RSTM(1'b0), .RSTP(1'b0), .RSTCTRL(1'b0),
      .RSTALUMODE(1'b0), .RSTALLCARRYIN(1'b0), .RSTINMODE(1'b0),
      .ACIN(30'd0), .BCIN(18'd0), .PCIN(48'd0), .CARRYCASCIN(1'b0), .MULTSIGNIN(1'b0),
      .ACOUT(), .BCOUT(), .PCOUT(), .CARRYOUT(), .CARRYCASCOUT(), .MULTSIGNOUT(), .OVERFLOW(), .UNDERFLOW(),
      .PATTERNDETECT(), .PATTERNBDETECT(), .XOROUT(),
      .P(wide_p)
  );
endmodule
