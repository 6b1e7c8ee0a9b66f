// Harbour at nightfall: gabled houses on a quay, lamps, boats, and all of it again in the water. One unit is 1 m.
#version 3.7;
#include "turned.inc"
global_settings { assumed_gamma 1.0 max_trace_level 4 adc_bailout 1/60 }
#default { finish { ambient 0 diffuse .75 } }
#declare R = seed(77);
#declare Amber = srgb <1, .68, .30>;

camera { location <-7, 4.4, -48> look_at <0, 7.2, 0> right x*1.5 up y angle 51 }

// Sky after sunset, a few stars, a thin moon, weak light from above.
sky_sphere {
  pigment { gradient y color_map {
    [0 srgb <.86, .42, .20>] [.07 srgb <.62, .34, .30>] [.17 srgb <.28, .25, .38>] [.36 srgb <.085, .115, .26>] [1 srgb <.02, .03, .09>] } }
  pigment { bozo turbulence .7 octaves 7 omega .55 scale <.6, .09, .6> translate <3, .2, 1>
    color_map { [.5 srgbt <.3, .16, .2, 1>] [.68 srgbt <.34, .18, .20, .55>] [1 srgbt <.10, .08, .14, .35>] } }
}
light_source { <-40, 50, -90> srgb <.42, .50, .85>*.36 shadowless }
light_source { <30, 12, 300> srgb <1, .5, .28>*.12 shadowless }
#for (I, 0, 130)
  #local D = vnormalize(<rand(R)*1.6 - .8, .14 + .5*rand(R), 1>);
  sphere { D*900, .22 + .7*pow(rand(R), 6) pigment { srgb <.85, .9, 1> } finish { emission .3 + .7*rand(R) diffuse 0 } no_shadow }
#end
intersection {
  sphere { 0, 1 } sphere { <.42, .30, -.5>, 1.02 inverse }
  pigment { srgb <1, .95, .82> } finish { emission 1.2 diffuse 0 } scale 11 rotate z*-10 translate <-160, 262, 800> no_shadow
}

// A glow: a disc that fades out, facing the camera.
#macro Glow(P, Size, Tint, Strength)
  disc { 0, -z, 1
    pigment { spherical color_map { [0 Tint transmit 1] [.3 Tint transmit 1 - .06*Strength] [.7 Tint transmit 1 - .3*Strength] [1 Tint transmit 1 - .75*Strength] } }
    finish { emission 1 diffuse 0 } scale Size rotate y*degrees(atan2(P.x + 7, P.z + 48)) translate P + <0, 0, -.3> no_shadow }
#end
#macro Bulb(P, Size, Tint) sphere { P, Size pigment { Tint } finish { emission 2.6 diffuse 0 } no_shadow } #end

// Houses.
#declare Paint = array[9] { srgb <.62, .30, .20>, srgb <.74, .60, .34>, srgb <.50, .55, .52>, srgb <.72, .68, .60>, srgb <.38, .42, .52>, srgb <.66, .42, .26>, srgb <.55, .22, .20>, srgb <.78, .72, .58>, srgb <.42, .50, .42> }
#declare WarmPane = array[5] { srgb <1, .74, .38>, srgb <1, .80, .50>, srgb <1, .64, .30>, srgb <.95, .85, .66>, srgb <.70, .82, 1> }
#macro Window(P, W, H, Odds)
  #local On = (rand(R) < Odds);
  #local Pane = WarmPane[int(pow(rand(R), 1.4)*4.999)];
  #local Power = .35 + .9*rand(R);
  union {
    box { <-W/2 - .12, -.12, -.10>, <W/2 + .12, H + .12, .05> pigment { srgb <.80, .78, .72> } }
    box { <-W/2 - .22, -.25, -.24>, <W/2 + .22, -.12, .05> pigment { srgb <.6, .58, .54> } }
    box { <-W/2, 0, -.115>, <W/2, H, .06>
      #if (On)
        pigment { gradient y color_map { [0 Pane*.55] [.5 Pane] [1 Pane*.7] } scale <1, H*1.01, 1> } finish { emission Power diffuse .1 }
      #else
        pigment { srgb <.03, .04, .06> } finish { diffuse .2 reflection { .08, .4 } }
      #end }
    #if (On & rand(R) < .6) // curtains
      box { <-W/2, 0, -.12>, <-W*(.22 + .2*rand(R)), H, .06> pigment { gradient x color_map { [0 Pane*.35] [.5 Pane*.62] [1 Pane*.35] } scale .16 } finish { emission Power*.6 } }
      box { <W*(.22 + .2*rand(R)), 0, -.12>, <W/2, H, .06> pigment { gradient x color_map { [0 Pane*.35] [.5 Pane*.62] [1 Pane*.35] } scale .16 } finish { emission Power*.6 } }
    #end
    box { <-.035, 0, -.15>, <.035, H, 0> pigment { srgb <.75, .73, .68> } }
    box { <-W/2, H*.58, -.15>, <W/2, H*.58 + .07, 0> pigment { srgb <.75, .73, .68> } }
    translate P }
#end
#macro House(X, W, Floors, Hue, Stepped, Z)
  #local H = 3.6 + 2.9*(Floors - 1) + .6;
  #local Peak = W*(.55 + .25*rand(R));
  #local Wall = texture {
    pigment { bozo turbulence .7 color_map { [0 Hue*.82] [1 Hue*1.05] } scale 1.3 translate X }
    normal { granite .12 scale .3 } };
  union {
    box { <0, 0, 0>, <W, H, 12> texture { Wall } }
    #if (Stepped)
      #local S = 5;
      #for (I, 0, S - 1) box { <W*I/(2*S + 1), H, 0>, <W - W*I/(2*S + 1), H + Peak*(I + 1)/S, .5> texture { Wall }  } 
        box { <W*I/(2*S + 1) - .1, H + Peak*(I + 1)/S - .14, -.12>, <W - W*I/(2*S + 1) + .1, H + Peak*(I + 1)/S + .04, .55> pigment { srgb <.7, .67, .6> } } #end
    #else
      prism { linear_spline 0, .5, 4, <0, 0>, <W, 0>, <W/2, Peak>, <0, 0> rotate x*-90 translate <0, H, .5> texture { Wall } }
    #end
    prism { linear_spline .3, 12, 4, <-.3, -.15>, <W + .3, -.15>, <W/2, Peak*.97>, <-.3, -.15> rotate x*-90 scale <1, 1, -1> translate <0, H, 0>
      pigment { brick color srgb <.10, .07, .06>, color srgb <.20, .11, .09> brick_size <.5, .4, .5> mortar .05 } }
    box { <-.15, H - .2, -.18>, <W + .15, H, .1> pigment { srgb <.7, .67, .6> } }
    box { <W*.7, H + Peak*.3, 3>, <W*.7 + .9, H + Peak + .8, 3.9> pigment { srgb <.3, .16, .12> } }
    #local N = int(W/1.75);
    #for (F, 1, Floors - 1) #for (I, 0, N - 1)
      Window(<W*(I + .5)/N, 3.6 + 2.9*(F - 1) + .7, 0>, .95, 1.65, .46)
    #end #end
    Window(<W/2, H + Peak*.28, 0>, .8, 1.1, .4)
    // Shop front: wide bright panes, a door, an awning.
    #local Shop = (rand(R) < .62);
    Window(<W*.33, .75, 0>, W*.42, 1.9, Shop*.95 + .1)
    box { <W*.66, 0, -.12>, <W*.66 + 1.05, 2.35, .1> pigment { srgb <.12, .16, .14> } }
    box { <W*.66 + .1, 1.9, -.15>, <W*.66 + .95, 2.3, .1> pigment { Amber } finish { emission .7 } }
    #if (Shop)
      box { <-W*.27, -.04, -1.3>, <W*.27, .04, 0> rotate x*-24 translate <W*.33, 3.05, 0>
        pigment { gradient x color_map { [.5 srgb <.62, .14, .12>*(.5 + rand(R))] [.5 srgb <.8, .76, .68>] } scale .55 } }
    #end
    translate <X, 1.6, Z> }
#end
#local X = -34;
#while (X < 36)
  #local W = 4.6 + 3.1*rand(R);
  House(X, W, 2 + int(rand(R)*2.6), Paint[int(rand(R)*8.999)], (rand(R) < .42), .4*rand(R))
  #local X = X + W + .02;
#end

// A church behind, lit from below.
union {
  box { <-2.4, 0, -2.4>, <2.4, 19, 2.4> }
  box { <-2.7, 18.6, -2.7>, <2.7, 19.2, 2.7> }
  #for (I, 0, 3) cylinder { <0, 0, -2.5>, <0, 0, -2.3>, 1.05 translate y*15.5 rotate y*90*I pigment { srgb <1, .93, .74> } finish { emission .75 } } #end
  box { <-.05, 0, 0>, <.05, .85, .02> rotate z*-50 translate <0, 15.5, -2.55> pigment { srgb .05 } }
  box { <-.07, 0, 0>, <.07, .6, .02> rotate z*70 translate <0, 15.5, -2.55> pigment { srgb .05 } }
  cone { y*19.2, 2.6, y*22, 1.2 pigment { srgb <.20, .36, .30> } }
  cone { y*22, 1.4, y*31, 0 pigment { srgb <.20, .36, .30> } }
  sphere { y*31.2, .3 pigment { srgb <.8, .6, .2> } }
  pigment { brick color srgb <.42, .36, .30>, color srgb <.62, .47, .36> brick_size <1, .4, .6> mortar .04 }
  translate <10.5, 1.6, 16>
}
light_source { <3, 14, 4> Amber*3.2 spotlight point_at <10.5, 19, 14> radius 22 falloff 40 fade_distance 8 fade_power 2 shadowless }

// The quay, its lamps and bollards.
box { <-60, -3, -6>, <60, 1.6, 20>
  pigment { brick color srgb <.16, .15, .14>, color srgb <.38, .35, .32> brick_size <1.6, .6, .9> mortar .05 turbulence .02 }
  normal { granite .3 scale .5 } finish { diffuse .7 specular .1 } }
box { <-60, 1.5, -6.15>, <60, 1.72, -5.2> pigment { granite color_map { [0 srgb <.40, .38, .36>] [1 srgb <.55, .52, .48>] } scale 2 } }
#declare Post = union {
  cylinder { 0, y*4.1, .07 } cone { 0, .2, y*.7, .08 } cone { y*4.1, .24, y*4.25, .3 } cone { y*4.75, .36, y*5.05, .04 }
  pigment { srgb .04 } finish { specular .4 roughness .05 } }
#for (I, -4, 4)
  #local P = <I*7.4 + .8, 1.7, -4.2>;
  object { Post translate P }
  sphere { 0, .24 scale <1, 1.2, 1> pigment { srgb <1, .86, .55> } finish { emission 3.5 diffuse 0 } translate P + y*4.5 no_shadow }
  light_source { P + <0, 4.5, -.1> Amber*2.3 fade_distance 3.2 fade_power 2 }
  Glow(P + y*4.5, 2.2, Amber, .8)
  cylinder { 0, y*.5, .17 translate P + <3.6, 0, -1.2> pigment { srgb .06 } }
  sphere { 0, .24 scale <1, .7, 1> translate P + <3.6, .55, -1.2> pigment { srgb .06 } }
#end

// Strings of bulbs between the lamps.
#for (I, -4, 3)
  #local Last = <I*7.4 + .8, 5.6, -4.2>;
  #for (J, 1, 14)
    #local T = J/14;
    #local Here = <(I + T)*7.4 + .8, 5.6 - 4*.9*T*(1 - T), -4.2>;
    cylinder { Last, Here, .018 pigment { srgb .03 } }
    #if (J < 14) Bulb(Here - y*.09, .075, WarmPane[mod(J*3 + I + 8, 4)]) #end
    #local Last = Here;
  #end
#end

// Boats: a hull grid, a cabin or a mast.
#macro Hull(Len, Wide, High, Hue)
  #local U = 26; #local V = 10;
  #macro Skin(I, J)
    #local T = I/U*2 - 1; #local S = J/V;
    #local Fat = Wide/2*pow(max(0, 1 - pow(abs(T), select(T, 4, 2, 2))), .62)*(.55 + .45*sqrt(S));
    <T*Len/2*(1 + .05*S*(T > 0)), (S*1.35 - .35)*High*(1 + .38*T*T*(T > 0) + .08*T*T), Fat>
  #end
  mesh {
    #for (I, 0, U - 1) #for (J, 0, V - 1) #for (K, -1, 1, 2)
      triangle { Skin(I, J)*<1, 1, K>, Skin(I + 1, J)*<1, 1, K>, Skin(I, J + 1)*<1, 1, K> }
      triangle { Skin(I + 1, J + 1)*<1, 1, K>, Skin(I + 1, J)*<1, 1, K>, Skin(I, J + 1)*<1, 1, K> }
    #end #end
      triangle { Skin(I, V)*<1, .9, 1>, Skin(I + 1, V)*<1, .9, 1>, Skin(I, V)*<1, .9, -1> }
      triangle { Skin(I + 1, V)*<1, .9, -1>, Skin(I + 1, V)*<1, .9, 1>, Skin(I, V)*<1, .9, -1> }
    #end
    pigment { gradient y color_map { [.06 srgb <.35, .08, .06>] [.06 srgb <.85, .83, .78>] [.12 srgb <.85, .83, .78>] [.12 Hue] [.86 Hue] [.86 srgb <.85, .82, .74>] } scale High*1.4 }
    finish { diffuse .7 specular .35 roughness .02 reflection .04 }
  }
#end
#macro Trawler(P, Turn, Hue)
  union {
    object { Hull(8.6, 2.9, 1.25, Hue) }
    box { <-3, 1, -.95>, <-.4, 2.9, .95> pigment { srgb <.86, .84, .78> } }
    box { <-3.2, 2.9, -1.1>, <-.1, 3.05, 1.1> pigment { srgb <.5, .16, .12> } }
    #for (I, 0, 2) box { <-2.75 + I*.8, 1.95, -.98>, <-2.15 + I*.8, 2.6, .98> pigment { srgb <1, .80, .48> } finish { emission .9 } } #end
    box { <-.42, 1.95, -.7>, <-.38, 2.6, .7> pigment { srgb <1, .80, .48> } finish { emission .9 } }
    cone { <.9, .9, 0>, .10, <.9, 6.4, 0>, .05 pigment { srgb <.55, .38, .2> } }
    cylinder { <.9, 2, 0>, <3.6, 4.3, 0>, .05 pigment { srgb <.55, .38, .2> } }
    cylinder { <.9, 6.2, 0>, <4.5, 1.5, 0>, .016 } cylinder { <.9, 6.2, 0>, <-3.9, 1.4, 0>, .016 }
    cylinder { <3.6, 4.3, 0>, <.9, 6.2, 0>, .014 }
    torus { .33, .1 rotate x*90 translate <1.9, 1.1, -1.3> pigment { radial color_map { [.5 srgb <.9, .4, .1>] [.5 srgb .85] } frequency 4 rotate x*90 } }
    pigment { srgb .06 }
    rotate y*Turn translate P }
  Bulb(P + <.9, 6.5, 0>, .11, srgb <1, .96, .88>) Glow(P + <.9, 6.5, 0>, .9, srgb <1, .93, .8>, .7)
  light_source { P + <1.6, 4.2, -.5> srgb <1, .86, .62>*1.1 fade_distance 1.8 fade_power 2 }
#end
#macro Yacht(P, Turn, Hue, Mast)
  union {
    object { Hull(7.4, 2.2, 1.0, Hue) }
    superellipsoid { <.5, .3> scale <1.5, .32, .65> translate <-.1, 1.12, 0> pigment { srgb <.88, .87, .83> } }
    #for (I, 0, 2) box { <-1 + I*.65, 1.1, -.67>, <-.6 + I*.65, 1.28, .67> pigment { srgb <1, .76, .42> } finish { emission .8 } } #end
    cone { <.5, .8, 0>, .075, <.5, Mast, 0>, .045 pigment { srgb .55 } }
    cylinder { <.5, 1.75, 0>, <-2.9, 1.85, 0>, .06 pigment { srgb .5 } }
    sphere_sweep { linear_spline 2, <.3, 1.95, 0>, .16, <-2.8, 2.0, 0>, .11 pigment { srgb <.16, .22, .40> } normal { bumps .6 scale .2 } }
    cylinder { <.5, Mast, 0>, <3.75, 1.15, 0>, .014 } cylinder { <.5, Mast, 0>, <-3.5, 1.0, 0>, .014 }
    cylinder { <.5, Mast*.97, 0>, <.5, .95, -1.05>, .012 } cylinder { <.5, Mast*.97, 0>, <.5, .95, 1.05>, .012 }
    cylinder { <.5, Mast*.6, -.7>, <.5, Mast*.6, .7>, .022 }
    pigment { srgb .12 }
    rotate y*Turn translate P }
  Bulb(P + vrotate(<.5, Mast + .1, 0>, y*Turn), .07, srgb <.9, .95, 1>) Glow(P + vrotate(<.5, Mast + .1, 0>, y*Turn), .5, srgb <.9, .95, 1>, .6)
#end
Trawler(<-14.5, 0, -10.5>, 4, srgb <.10, .25, .42>)
Trawler(<8.6, 0, -9.6>, 183, srgb <.42, .10, .09>)
Yacht(<-4.2, 0, -12.5>, -14, srgb <.88, .87, .84>, 10.6)
Yacht(<1.6, 0, -8.6>, 8, srgb <.10, .14, .24>, 9.4)
Yacht(<15.5, 0, -13>, 168, srgb <.85, .84, .80>, 10.2)
Yacht(<-21, 0, -8.4>, 175, srgb <.14, .30, .28>, 9.2)
#for (I, 0, 2) // a rowing boat and two buoys, close by
  #if (I = 0) object { Hull(3.6, 1.4, .5, srgb <.55, .42, .26>) rotate y*36 translate <5.6, .02, -23> }
  #else
    union { sphere { 0, .42 scale <1, .8, 1> } cone { 0, .3, y*.9, .06 } pigment { srgb <.75, .20, .10> } finish { specular .4 } translate <-11.5 + I*1.2 + (I = 2)*21, .1, -21 - (I = 2)*3> }
  #end
#end

// Water.
plane { y, 0
  pigment { srgb <.008, .014, .024> }
  normal { average normal_map {
    [1 bumps .17 scale <2.1, 1, .62> turbulence .25]
    [1 bumps .10 scale <.55, 1, .22> turbulence .25]
    [.6 bumps .03 scale <.16, 1, .08>] } }
  finish { diffuse .3 specular .3 roughness .004 reflection { .03, 1 fresnel on } }
  interior { ior 1.33 }
}
