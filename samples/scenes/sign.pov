// Sign: a printed timetable behind a wooden frame on painted boards, evening sun. One unit is 10 cm.
#version 3.7;
global_settings { assumed_gamma 1.0 max_trace_level 4 }
#default { finish { ambient 0 diffuse .8 } }
#declare R = seed(31);
camera { location <3.1, 5.6, -22> look_at <.18, 5.15, 0> right x*2/3 up y angle 26.5 }
light_source { <-38, 34, -42> srgb <1, .91, .76>*1.5 area_light <1.6, 0, -1.4>, <0, 2.1, 0>, 5, 5 adaptive 1 jitter circular }
light_source { <25, 20, -50> srgb <.6, .72, .95>*.35 shadowless }

// Boards: old turquoise paint, flaking down to the wood.
#declare Flake = pigment { granite turbulence .2 scale 2.2 }
#for (I, -5, 5)
  #declare T = 40*rand(R);
  superellipsoid { <.03, .03> scale <.79, 13, .2> rotate z*(rand(R)*.3 - .15) translate <I*1.62 + .3, 5, .2 + .05*rand(R)>
    texture {
      pigment { granite turbulence .12 scale <.8, 7, 1> translate T
        pigment_map {
          [.42 srgb <.22, .47, .47>*(.82 + .3*rand(R))]
          [.58 srgb <.30, .54, .52>*(.82 + .3*rand(R))]
          [.60 srgb <.62, .64, .58>]
          [.63 wood turbulence .1 rotate x*88 scale <.16, 3, .16> color_map { [0 srgb <.52, .44, .36>] [.7 srgb <.40, .32, .25>] [1 srgb <.27, .21, .16>] }] } }
      normal { average normal_map { [1 granite .3 scale <.25, 6, .25> translate T] [1 granite turbulence .12 slope_map { [.58 <0, 0>] [.6 <.5, 8>] [.62 <1, 0>] } scale <.8, 7, 1> translate T] } }
      finish { diffuse .78 specular .06 roughness .05 } } }
#end

// Text, set by its width's share: left (0), centre (.5) or right (1).
#macro Line(Font, Words, Size, X, Y, Share)
  #local T = text { ttf Font Words .02, 0 };
  #local A = min_extent(T); #local B = max_extent(T);
  object { T translate -x*(A.x + (B.x - A.x)*Share) scale <Size, Size, 1> translate <X, Y, -.012> }
#end
#declare Roman = "timrom.ttf";
#declare Sans = "cyrvetic.ttf";
#declare Navy = texture { pigment { granite color_map { [0 srgb <.05, .10, .21>] [.9 srgb <.08, .14, .26>] [1 srgb <.2, .26, .36>] } scale .3 } finish { diffuse .8 } }
#declare Red = texture { pigment { granite color_map { [0 srgb <.62, .13, .09>] [.9 srgb <.70, .17, .11>] [1 srgb <.8, .4, .3>] } scale .3 } finish { diffuse .8 } }

union {
  // Paper.
  box { <-3, 0, 0>, <3, 8.6, .03>
    pigment { bozo turbulence .8 octaves 6 color_map { [0 srgb <.90, .86, .74>] [.6 srgb <.94, .91, .82>] [1 srgb <.84, .77, .62>] } scale 2.4 }
    normal { average normal_map { [1 granite .05 scale .2] [2 bumps .05 scale <1.6, .9, 1>] } } }
  // Picture: sea, sun, a boat, gulls.
  union {
    box { <-2.62, 4.75, -.004>, <2.62, 8.22, .01> pigment { gradient y color_map { [.25 srgb <.95, .74, .46>] [.62 srgb <.88, .52, .32>] [1 srgb <.36, .42, .52>] } scale 3.5 translate y*4.72 } }
    cylinder { <.95, 6.0, -.006>, <.95, 6.0, 0>, .62 pigment { srgb <.97, .90, .66> } }
    #for (I, 0, 6)
      box { <-2.62, 4.75, -.008 - .001*I>, <2.62, 5.92 - I*.17, 0> pigment { srgb <.13, .30, .42>*(1.5 - .13*I) } }
      #for (J, 0, 6) cylinder { <0, 0, -.0085 - .001*I>, <0, 0, 0>, .12 scale <3.2 + rand(R), .28, 1> translate <-2 + .62*J + .3*rand(R), 5.92 - I*.17, 0> pigment { srgb <.13, .30, .42>*(1.5 - .13*I) } } #end
    #end
    prism { linear_spline 0, .02, 7, <-1.7, 5.62>, <.5, 5.70>, <.22, 5.22>, <-1.35, 5.22>, <-1.7, 5.62>, <-1.7, 5.62>, <-1.7, 5.62> rotate -x*90 texture { Red } }
    prism { linear_spline 0, .02, 4, <-.55, 5.78>, <-.55, 7.85>, <.62, 5.86>, <-.55, 5.78> rotate -x*90 pigment { srgb <.95, .92, .84> } }
    prism { linear_spline 0, .02, 4, <-.68, 5.78>, <-.68, 7.55>, <-1.62, 5.82>, <-.68, 5.78> rotate -x*90 pigment { srgb <.86, .82, .72> } }
    box { <-.64, 5.6, -.024>, <-.58, 7.98, 0> texture { Navy } }
    #for (I, 0, 3) #for (K, -1, 1, 2)
      difference { cylinder { <0, 0, -.01>, <0, 0, 0>, .16 } cylinder { <K*.03, -.05, -1>, <K*.03, -.05, 1>, .16 } scale .7 + .2*I translate <-2.1 + I*.42 + K*.12, 7.5 - .23*mod(I*2, 3), -.002> texture { Navy } }
    #end #end
  }
  // Words.
  union {
    Line(Roman, "HARBOUR FERRY", .615, 0, 3.98, .5)
    Line(Sans, "Summer timetable, every day", .36, 0, 3.48, .5)
    box { <-2.62, 3.30, -.012>, <2.62, 3.325, 0> }
    Line(Sans, "Old Quay", .25, -2.6, 2.98, 0) Line(Sans, "Lighthouse", .25, -.35, 2.98, .5) Line(Sans, "Mill Island", .25, 2.6, 2.98, 1)
    #declare Start = array[6] { 410, 545, 680, 815, 950, 1085 }
    #macro Clock(M) concat(str(int(M/60), 0, 0), ":", str(int(mod(M, 60)/10), 0, 0), str(mod(M, 10), 0, 0)) #end
    #for (I, 0, 5)
      Line(Roman, Clock(Start[I]), .27, -2.6, 2.60 - I*.29, 0) Line(Roman, Clock(Start[I] + 24), .27, -.35, 2.60 - I*.29, .5) Line(Roman, Clock(Start[I] + 51), .27, 2.6, 2.60 - I*.29, 1)
      #if (I < 5) #for (K, 0, 64) sphere { <-2.6 + K*5.2/64, 2.53 - I*.29, 0>, .011 } #end #end
    #end
    box { <-2.62, .98, -.012>, <2.62, 1.0, 0> }
    Line(Roman, "Bicycles travel free. Dogs are welcome on deck.", .195, 0, .72, .5)
    Line(Roman, "Children under six need no ticket. In fog the last boat waits at Mill Island until", .128, 0, .50, .5)
    Line(Roman, "the bell has been rung twice. Tickets are sold on board and at the quay; keep yours", .128, 0, .35, .5)
    Line(Roman, "until you land. No. 27, printed at the harbour office.", .128, 0, .20, .5)
    texture { Navy } }
  translate y*.75
}

// Frame: oak, mitred, with brass screws.
#macro Rail(L)
  difference {
    union { box { <-L, -.30, -.26>, <L, .30, .05> } cylinder { <-L, .21, -.26>, <L, .21, -.26>, .09 } cylinder { <-L, -.22, -.25>, <L, -.22, -.25>, .06 } }
    plane { x, 0 rotate z*-45 translate <-L + .3, 0, 0> }
    plane { -x, 0 rotate z*45 translate <L - .3, 0, 0> }
    texture {
      pigment { wood turbulence .07 octaves 4 rotate y*89 scale <2.5, .14, .14> translate <20*rand(R), .2, 9*rand(R)> color_map { [0 srgb <.50, .32, .17>] [.5 srgb <.42, .25, .12>] [1 srgb <.27, .15, .07>] } }
      normal { granite .14 scale <1.5, .06, .06> }
      finish { diffuse .75 specular .3 roughness .03 reflection .015 } } }
#end
#declare Screw = difference {
  sphere { 0, .1 scale <1, 1, .5> } box { <-.2, -.018, -.2>, <.2, .018, -.025> }
  pigment { srgb <.72, .55, .25> } finish { diffuse .5 specular .9 roughness .02 metallic reflection { .15 metallic } } }
union {
  object { Rail(3.5) translate y*.5 }
  object { Rail(3.5) rotate z*180 translate y*9.6 }
  object { Rail(5.05) rotate z*-90 translate <-3.2, 5.05, 0> }
  object { Rail(5.05) rotate z*90 translate <3.2, 5.05, 0> }
  #for (I, -1, 1, 2) #for (J, 0, 1) object { Screw rotate z*180*rand(R) translate <I*3.2, .5 + 9.1*J, -.30> } #end #end
}
// Leaves, unseen, whose shade falls over one corner.
#for (I, 0, 70)
  #declare T = rand(R);
  disc { 0, z, .5 scale <.5 + .4*rand(R), 1, 1>*.62 rotate 360*<rand(R), rand(R), rand(R)> no_image pigment { srgb <.2, .3, .1> }
    translate <-12.6 + 7.5*T + rand(R), 20.8 - 4.4*(1 - T)*rand(R) - 1.2*T, -12 + 2*rand(R)> }
#end
