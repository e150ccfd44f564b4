// The part of a DSP48E2 that our modules use, for simulation (UG579): pre-adder, multiplier, accumulator, registers.
// Anything else stops the simulation.
module DSP48E2 #(
    parameter string AMULTSEL = "A",
    parameter int AREG = 1,
    parameter int ACASCREG = 1,
    parameter int BREG = 1,
    parameter int BCASCREG = 1,
    parameter int DREG = 1,
    parameter int ADREG = 1,
    parameter int MREG = 1,
    parameter int PREG = 1,
    parameter int OPMODEREG = 1,
    parameter int INMODEREG = 1,
    parameter string USE_MULT = "MULTIPLY"
) (
    input  logic        CLK,
    input  logic [29:0] A,
    input  logic [17:0] B,
    input  logic [47:0] C,
    input  logic [26:0] D,
    input  logic        CARRYIN,
    input  logic [ 2:0] CARRYINSEL,
    input  logic [ 3:0] ALUMODE,
    input  logic [ 4:0] INMODE,
    input  logic [ 8:0] OPMODE,
    input  logic CEA1, CEA2, CEB1, CEB2, CEC, CED, CEAD, CEM, CEP, CECTRL, CEALUMODE, CECARRYIN, CEINMODE,
    input  logic RSTA, RSTB, RSTC, RSTD, RSTM, RSTP, RSTCTRL, RSTALUMODE, RSTALLCARRYIN, RSTINMODE,
    input  logic [29:0] ACIN,
    input  logic [17:0] BCIN,
    input  logic [47:0] PCIN,
    input  logic CARRYCASCIN, MULTSIGNIN,
    output logic [29:0] ACOUT,
    output logic [17:0] BCOUT,
    output logic [47:0] PCOUT,
    output logic [ 3:0] CARRYOUT,
    output logic CARRYCASCOUT, MULTSIGNOUT, OVERFLOW, UNDERFLOW, PATTERNDETECT, PATTERNBDETECT,
    output logic [ 7:0] XOROUT,
    output logic [47:0] P
);
  localparam bit PREADD = AMULTSEL == "AD";
  initial
    if (!(AREG == 1 && (BREG == 1 || BREG == 2) && DREG == 1 && ADREG == 1 && MREG == 1 && PREG == 1 && OPMODEREG == 1
          && INMODEREG == 0 && USE_MULT == "MULTIPLY" && (AMULTSEL == "A" || PREADD)))
      $fatal(1, "DSP48E2: registers that this model does not have");

  logic signed [26:0] a2, d1, ad, multiplicand;
  logic signed [17:0] b1, b2;
  logic signed [44:0] m;
  logic [8:0] opmode;
  assign multiplicand = PREADD ? ad : a2;
  wire [47:0] product = {{3{m[44]}}, m};
  wire [47:0] z = opmode[6:4] == 3'b010 ? P : 48'd0;

  always_ff @(posedge CLK) begin
    if (CEA2) a2 <= A[26:0];
    if (CEB1) b1 <= B;
    if (CEB2) b2 <= BREG == 2 ? b1 : B;
    if (CED) d1 <= D;
    if (CEAD) ad <= a2 + d1;
    if (CEM) m <= multiplicand * b2;
    if (CECTRL) opmode <= OPMODE;
    if (CEP) P <= z + product;
    if (CECTRL && !(OPMODE[8:7] == 0 && OPMODE[6:4] inside {3'b000, 3'b010} && OPMODE[3:0] == 4'b0101))
      $fatal(1, "DSP48E2: an OPMODE that this model does not have");
    if (ALUMODE != 0 || CARRYIN || CARRYINSEL != 0 || INMODE != (PREADD ? 5'b00100 : 5'b00000) || C != 0)
      $fatal(1, "DSP48E2: an input that this model does not have");
    if ({CEC, CEALUMODE, CECARRYIN, CEINMODE, RSTA, RSTB, RSTC, RSTD, RSTM, RSTP, RSTCTRL, RSTALUMODE, RSTALLCARRYIN,
         RSTINMODE, CARRYCASCIN, MULTSIGNIN} != 0 || ACIN != 0 || BCIN != 0 || PCIN != 0 || A[29:27] != {3{A[26]}})
      $fatal(1, "DSP48E2: a control or cascade input that this model does not have");
  end
  assign {ACOUT, BCOUT, PCOUT, CARRYOUT, CARRYCASCOUT, MULTSIGNOUT, OVERFLOW, UNDERFLOW, PATTERNDETECT, PATTERNBDETECT,
          XOROUT} = '0;
  // CEA1 belongs to a register that AREG = 1 leaves out.
  wire unused = CEA1;
endmodule
